"""The rules that the two tables of a catalogue must keep, and the rules of `dataset.toml` towards them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from genco.data.catalogue import ELEMENT_COLUMNS, PRODUCT_COLUMNS, STATUSES, Catalogue
from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin, Rule
from genco.storage.dataset_toml import DATASET_FILE, DatasetMeta
from genco.storage.toml_keys import unknown_value
from genco.storage.violation import NO_ROW, Finding, finding, words

PRODUCTS_FILE = "catalogue/products.parquet"
ELEMENTS_FILE = "catalogue/elements.parquet"
LARGEST_FEATURE = 1e100
_OPTIONAL_ELEMENT_TEXTS = {"product_id": None, "text": None, "image_uri": None, "status": "approved"}


def complete_elements(elements: pl.DataFrame) -> pl.DataFrame:
    """Add the optional columns that are absent (shared by all products, no content, approved)."""
    absent = {
        name: pl.lit(value, dtype=pl.String)
        for name, value in _OPTIONAL_ELEMENT_TEXTS.items()
        if name not in elements.columns
    }
    return plain_texts(elements.with_columns(**absent))


def plain_texts(table: pl.DataFrame) -> pl.DataFrame:
    """Categorical, enumerated and all-null columns as plain text."""
    return table.with_columns(pl.col(pl.Categorical, pl.Null).cast(pl.String), pl.selectors.enum().cast(pl.String))


def table_findings(
    products: pl.DataFrame,
    elements: pl.DataFrame,
    products_file: str = PRODUCTS_FILE,
    elements_file: str = ELEMENTS_FILE,
) -> Iterator[Finding]:
    """What is wrong inside the two tables. Stops after missing or mistyped columns, as nothing else can be judged."""
    stop = False
    for found in [
        *_column_findings(products, products_file, PRODUCT_COLUMNS, ()),
        *_column_findings(elements, elements_file, ("element_id", "component"), ELEMENT_COLUMNS),
    ]:
        stop = True
        yield found
    if stop:
        return
    yield from _id_findings(products, "product_id", products_file)
    yield from _id_findings(elements, "element_id", elements_file)
    yield from _text_findings(elements, "component", elements_file)
    known = pl.col("product_id").is_null() | pl.col("product_id").is_in(products["product_id"].implode())
    yield from _where(elements, ~known, "product_id", "unknown_product", "a product_id of the catalogue", elements_file)
    status_rule = f"one of {', '.join(STATUSES)}"
    known = pl.col("status").is_in(STATUSES).fill_null(False)
    yield from _where(elements, ~known, "status", "status", status_rule, elements_file)
    yield from _feature_findings(products, PRODUCT_COLUMNS, products_file)
    yield from _feature_findings(elements, ELEMENT_COLUMNS, elements_file)


def rule_findings(meta: DatasetMeta, catalogue: Catalogue, file: str = DATASET_FILE) -> Iterator[Finding]:
    """Names in the rules that are unknown, and slots that a rule or product leaves without any element."""
    slots = tuple(slot.name for slot in meta.slots)
    known = {"slot": slots, "element": catalogue.element_rows, "product_id": catalogue.product_rows}
    for number, rule in enumerate(meta.rules):
        where = f"{file}, rule {number}"
        for kind in known:
            unknown: list[Any] = [name for name in names_in(rule)[kind] if name not in known[kind]]
            if unknown:
                if kind == "slot":
                    unknown = [words(unknown_value(kind, name, slots).rstrip(".")) for name in unknown]
                expected = f"{rule}: {'an' if kind == 'element' else 'a'} {kind} that exists is expected"
                yield Finding(where, "", f"unknown_{kind}", expected, np.full(len(unknown), NO_ROW), unknown)
        if isinstance(rule, (Allow, Distinct)) and len(set(rule.slots)) < len(rule.slots):
            yield finding(where, "", "repeated_slot", f"{rule}: every slot once is expected", list(rule.slots))
        if isinstance(rule, Only):
            wrong = [list(combination) for combination in rule.combinations if len(combination) != len(slots)]
            if wrong:
                expected = f"combinations of {len(slots)} slots are expected"
                yield Finding(where, "", "combination_size", expected, np.full(len(wrong), NO_ROW), wrong)


def unusable_slot_findings(meta: DatasetMeta, catalogue: Catalogue, file: str = ELEMENTS_FILE) -> Iterator[Finding]:
    """Required slots for which no product at all has an approved element: the catalogue cannot be used.

    A product that lacks one for a while is no fault of the data: see `genco.products_left_out`.
    """
    for slot in meta.slots if catalogue.num_products else ():
        component = catalogue.components.index(slot.component)
        if slot.required and not (catalogue.element_approved & (catalogue.element_component == component)).any():
            expected = (
                f"an approved element of component {slot.component!r} is expected for at least one product, as slot "
                f"{slot.name!r} is required"
            )
            yield finding(file, "status", "no_approved_element", expected, words("none"))


def _column_findings(table: pl.DataFrame, file: str, needed: Sequence[str], texts: Sequence[str]) -> Iterator[Finding]:
    for name in needed:
        if name not in table.columns:
            shown = words(", ".join(table.columns) or "no column")
            yield finding(file, name, "missing_column", "the column is missing", shown)
    for name in dict.fromkeys([*needed, *texts]):
        if name in table.columns and table[name].dtype != pl.String:
            yield finding(file, name, "type", "a column of texts is expected", words(f"type {table[name].dtype}"))


def _id_findings(table: pl.DataFrame, column: str, file: str) -> Iterator[Finding]:
    yield from _text_findings(table, column, file)
    again = pl.col(column).is_not_null() & ~pl.col(column).is_first_distinct()
    yield from _where(table, again, column, f"duplicate_{column}", "an id that no earlier row has", file)


def _text_findings(table: pl.DataFrame, column: str, file: str) -> Iterator[Finding]:
    empty = pl.col(column).fill_null("") == ""
    yield from _where(table, empty, column, f"empty_{column}", "a text that is not empty", file)


def _feature_findings(table: pl.DataFrame, known: Sequence[str], file: str) -> Iterator[Finding]:
    for column in table.drop(known, strict=False).iter_columns():
        if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
            rule = "a feature of numbers, texts, booleans or times is expected"
            yield finding(file, column.name, "type", rule, words(f"type {column.dtype}"))
        elif column.dtype.is_float():
            not_finite = ~pl.col(column.name).is_finite().fill_null(True)
            yield from _where(table, not_finite, column.name, "finite", "a finite number (or null)", file)
            large = pl.col(column.name).is_finite() & (pl.col(column.name).abs() > LARGEST_FEATURE)
            rule = f"a number of at most {LARGEST_FEATURE:g} in size (or null)"
            yield from _where(table, large, column.name, "large", rule, file)


def _where(table: pl.DataFrame, broken: pl.Expr, column: str, rule: str, expected: str, file: str) -> Iterator[Finding]:
    rows = table.select(broken.alias("broken"))["broken"].arg_true()
    if len(rows):
        values: Sequence[Any] = table[column].gather(rows).to_list()
        yield Finding(file, column, rule, f"{expected} is expected", rows.to_numpy().astype(np.int64), values)


def names_in(rule: Rule) -> dict[str, list[str]]:
    """The distinct names that a rule mentions, by kind."""
    slots: list[str | None] = []
    elements: list[str | None] = []
    if isinstance(rule, (Pin, Block)):
        slots.append(rule.slot)
        elements.append(rule.element)
    if isinstance(rule, (Allow, Distinct)):
        slots += rule.slots
    if isinstance(rule, (Forbid, Allow)):
        elements += [element for pair in rule.pairs for element in pair]
    if isinstance(rule, Only):
        elements += [element for combination in rule.combinations for element in combination]
    products = [] if isinstance(rule, Distinct) else [rule.product_id]
    names = {"slot": slots, "element": elements, "product_id": products}
    return {kind: [name for name in dict.fromkeys(values) if name is not None] for kind, values in names.items()}
