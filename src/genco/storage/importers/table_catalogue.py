"""Products and elements of an own log: read from their tables, or gathered from the log itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from genco.errors import DataError
from genco.rng import stable_hash
from genco.storage.catalogue_checks import complete_elements, plain_texts
from genco.storage.importers.source import first_line, scan_table
from genco.storage.importers.table_map import SlotColumn, TableColumns, TableMap


def read_products(table: TableColumns, separator: str) -> pl.DataFrame:
    """Products and their features under our names. Raises `DataError`."""
    return plain_texts(_read(table, separator))


def read_elements(table: TableColumns, separator: str) -> pl.DataFrame:
    """Elements and their features under our names. Raises `DataError`."""
    return complete_elements(_read(table, separator))


def log_products(log: pl.LazyFrame, columns: TableMap, path: Path) -> pl.DataFrame:
    """The products of the log, sorted; one named after the dataset where the log names none."""
    if "product_id" not in columns.columns:
        return pl.DataFrame({"product_id": [columns.meta.name]})
    ids = _collect(log.select(product_id=_text(columns.columns["product_id"])).unique(), path)
    return ids.drop_nulls().sort("product_id")


def log_elements(log: pl.LazyFrame, columns: TableMap, path: Path) -> pl.DataFrame:
    """The elements that the log's slots show, sorted.

    Raises `DataError` if an id stands in slots of two components, or for two products without being shared.
    """
    parts = [_slot_elements(log, columns, slot, path) for slot in columns.slots]
    elements = pl.concat(parts).unique().sort("product_id", "component", "element_id")
    again = elements.filter(pl.col("element_id").is_duplicated()).sort("element_id", maintain_order=True)
    if again.height:
        first, second = again.row(0, named=True), again.row(1, named=True)
        if first["component"] != second["component"]:
            places = f"components {first['component']!r} and {second['component']!r}"
            rule = "an id should belong to one component"
        else:
            places = f"products {first['product_id']!r} and {second['product_id']!r}"
            rule = "an id shown for several products needs `shared = true` in the map, or a table [elements]"
        raise DataError(f"{path}: {rule}. Found {first['element_id']!r} in {places}.")
    return complete_elements(elements)


def slot_ids(values: pl.Series, slot: SlotColumn, product: pl.Series) -> pl.Series:
    """Element ids of a slot's column, null = empty. Texts and images are named by a hash of what they are."""
    values = values.cast(pl.String)
    values = values.set(values == "", None)
    if slot.values == "ids":
        return values
    distinct = values.drop_nulls().unique()
    codes = [f"{slot.slot.component}-{stable_hash(value):016x}" for value in distinct]
    ids = values.replace_strict(distinct, pl.Series(codes, dtype=pl.String), return_dtype=pl.String)
    return ids if slot.shared else product.cast(pl.String) + "-" + ids


def _slot_elements(log: pl.LazyFrame, columns: TableMap, slot: SlotColumn, path: Path) -> pl.DataFrame:
    product = columns.columns.get("product_id")
    name = pl.lit(columns.meta.name) if product is None else _text(product)
    pairs = _collect(log.select(product_id=name, value=_text(slot.column)).unique().drop_nulls(), path)
    content = {
        kind: pl.col("value") if slot.values == kind else pl.lit(None, pl.String) for kind in ("texts", "images")
    }
    elements = pairs.select(
        element_id=slot_ids(pairs["value"], slot, pairs["product_id"]),
        product_id=pl.lit(None, pl.String) if slot.shared else pl.col("product_id"),
        component=pl.lit(slot.slot.component),
        text=content["texts"],
        image_uri=content["images"],
    )
    return elements.unique()


def _read(table: TableColumns, separator: str) -> pl.DataFrame:
    """Ids and texts as text; other columns of a CSV are numbers if every value is one."""
    needed = tuple(dict.fromkeys([*table.columns.values(), *(table.features or ())]))
    lazy = scan_table(table.file, needed, separator)
    frame = _collect(lazy, table.file)
    ours = {name: _without_empty(frame[their]).alias(name) for name, their in table.columns.items()}
    taken = set(table.columns.values())
    features: Sequence[str] = (
        table.features if table.features is not None else [name for name in frame.columns if name not in taken]
    )
    clash = [name for name in features if name in ours]
    if clash:
        raise DataError(
            f"{table.file}, column {clash[0]!r}: a feature should not bear a name of the format. "
            f"Leave it out by `features`, or rename it. Found {clash[0]!r}."
        )
    return pl.DataFrame({**ours, **{name: _number_or_text(frame[name]) for name in features}})


def _number_or_text(column: pl.Series) -> pl.Series:
    if column.dtype != pl.String or column.is_null().all():
        return column
    number = column.str.strip_chars().cast(pl.Float64, strict=False)
    return column if (number.is_null() & column.is_not_null()).any() else number


def _without_empty(column: pl.Series) -> pl.Series:
    text = column.cast(pl.String)
    return text.set(text == "", None)


def _text(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String)
    return pl.when(text != "").then(text)


def _collect(lazy: pl.LazyFrame, path: Path) -> pl.DataFrame:
    try:
        return lazy.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error
