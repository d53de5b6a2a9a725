r"""Your own log: a CSV or Parquet table of impressions, with a TOML file that says which column is which.

    genco import table log.csv --out data --map map.toml

Every row of the log is one impression, or an aggregate of several with its counts. An example of a map:

    name = "spring-cards"
    separator = ","                      # of the columns of a CSV: a comma (if left out), ";", "\t" or "|"
    categorical = ["hour"]               # columns of numbers that are names rather than quantities
    timestamp_unit = "s"                 # if timestamps are whole numbers since 1970: s, ms or us; else ISO 8601 is
                                         # read, or what `timestamp_format = "%d.%m.%Y %H:%M"` says
    [columns]                            # ours = yours; all but one reward column may be left out
    product_id = "sku"                   # left out: the log is of a single product
    timestamp = "shown_at"
    num_impressions = "views"            # left out: 1
    num_clicks = "clicks"
    propensity = "p"                     # probability with which your system chose this combination, if you know it

    [context]                            # what was known before the choice: ours = yours
    segment = "visitor_kind"
    hour = "hour"

    [slots.title]                        # one table per slot of the card, in order
    column = "headline"                  # left out: the slot's name
    values = "texts"                     # the column holds ids (if left out), texts or addresses of images
    shared = false                       # if left out: an element belongs to the products it was shown for

    [slots.badge]
    column = "badge_id"
    required = false                     # empty cells mean: no badge
    shared = true                        # every badge may stand on every product

    [products]                           # left out: the products of the log, without features
    file = "products.csv"                # beside the map
    product_id = "sku"                   # all other columns become features, or those in `features = [...]`

    [elements]                           # left out: the elements of the log. If given, the columns of slots hold ids,
    file = "elements.csv"                # and `values` and `shared` have no place
    element_id = "id"
    component = "kind"                   # which slots show it: a slot's `component`, by default the slot's name
    product_id = "sku"                   # left out, or empty cells: shared by all products
    text = "copy"
    image_uri = "url"
    status = "state"                     # approved, pending or blocked

    [[rules]]                            # as in dataset.toml
    kind = "distinct"
    slots = ["title", "subtitle"]

    [origin]                             # free: what a reader of the dataset should know
    source = "web log, spring 2026"

Ids stay texts ("00123" keeps its zeros). Other columns of a CSV are numbers if every value is one. In messages, rows
are counted from 1, below the header. The log is read twice and never held in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from genco.data.catalogue import Catalogue
from genco.errors import DataError
from genco.storage.catalogue_checks import rule_findings, table_findings, unusable_slot_findings
from genco.storage.importers.source import cast_table, find_file, first_line, refuse_rows, scan_table
from genco.storage.importers.summary import ImportSummary, refuse_num_impressions
from genco.storage.importers.table_catalogue import (
    log_elements,
    log_products,
    read_elements,
    read_products,
    slot_ids,
)
from genco.storage.importers.table_map import TableMap, read_table_map
from genco.storage.impression_checks import ImpressionJoiner, schema_findings
from genco.storage.violation import NO_ROW, Finding, raise_first
from genco.storage.writer import DatasetWriter

CHUNK_ROWS = 131_072
_NUMBERS = ("num_impressions", "num_clicks", "num_conversions", "revenue", "propensity")
_ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def import_table(
    source: Path,
    out: Path,
    num_impressions: int | None = None,
    seed: int = 0,
    *,
    column_map: Path | None = None,
    overwrite: bool = False,
) -> ImportSummary:
    """Write your log as a dataset folder at `out`. `seed` has no effect.

    column_map: the TOML file described above; by default the one beside the log with its name (`log.toml`).
    Raises `DataError` naming file, row, column and value as they stand in your tables; `ConfigError` if
    `num_impressions` is given.
    """
    del seed
    refuse_num_impressions("table", num_impressions)
    path = find_file(Path(source))
    map_path = Path(column_map) if column_map is not None else path.with_suffix(".toml")
    if not map_path.exists():
        raise DataError(f"{map_path}: a map of columns is expected (TOML, which column is which). Found no such file.")
    columns = read_table_map(map_path)
    log = _scan(path, columns)
    products = (
        read_products(columns.products, columns.separator) if columns.products else log_products(log, columns, path)
    )
    elements = (
        read_elements(columns.elements, columns.separator) if columns.elements else log_elements(log, columns, path)
    )
    products_file = str(columns.products.file if columns.products else path)
    elements_file = str(columns.elements.file if columns.elements else path)
    for found in table_findings(products, elements, products_file, elements_file):
        raise_first([_in_own_table(found, columns)])
    catalogue = Catalogue(columns.meta.slots, products, elements, columns.meta.rules)
    raise_first(rule_findings(columns.meta, catalogue, str(map_path)))
    if columns.elements:  # else the first row of the log without an element says it better
        raise_first(unusable_slot_findings(columns.meta, catalogue, elements_file))
    numeric = _numeric_context(log, columns, path)
    num_rows = 0

    def told(found: Finding) -> Finding:
        (renamed,) = _renamed([replace(found, file=str(path), rows=found.rows + 1)], columns)
        return renamed

    with DatasetWriter(Path(out), columns.meta, overwrite, told) as writer:
        writer.write_products(products)
        writer.write_elements(elements)
        joiner = ImpressionJoiner(catalogue, columns.meta)
        for rows in _chunks(log, path):
            frame = _impressions(rows, columns, numeric, path, num_rows + 1)
            _check(frame, joiner, columns, path, num_rows + 1)
            writer.append_impressions(frame)
            num_rows += rows.height
        if not num_rows:
            raise DataError(f"{path}: at least one row is expected. Found none.")
    notes = (f"{products.height:,} products, {elements.height:,} elements, {len(columns.slots)} slots",)
    return ImportSummary(columns.meta.name, num_rows, num_rows, {}, str(columns.meta.origin.get("source", "")), notes)


def _scan(path: Path, columns: TableMap) -> pl.LazyFrame:
    """The log's columns that the map names."""
    wanted = tuple(dict.fromkeys([*columns.columns.values(), *(slot.column for slot in columns.slots)]))
    return scan_table(path, wanted, columns.separator).select(wanted)


def _chunks(log: pl.LazyFrame, path: Path) -> Iterator[pl.DataFrame]:
    try:
        yield from log.collect_batches(chunk_size=CHUNK_ROWS, maintain_order=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error


def _numeric_context(log: pl.LazyFrame, columns: TableMap, path: Path) -> tuple[str, ...]:
    """Context columns (their names) to read as numbers: texts of which every value is one, and not `categorical`."""
    schema = log.collect_schema()
    names = [columns.columns[name] for name in columns.meta.context if name not in columns.categorical]
    texts = [name for name in dict.fromkeys(names) if schema[name] == pl.String and name not in columns.categorical]
    if not texts:
        return ()
    number = [pl.col(name).str.strip_chars().cast(pl.Float64, strict=False).is_finite() for name in texts]
    every = [
        (test.fill_null(False) | pl.col(name).is_null()).all() & pl.col(name).is_not_null().any()
        for name, test in zip(texts, number, strict=True)
    ]
    try:
        found = log.select(every).collect(engine="streaming").row(0)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error
    return tuple(name for name, is_number in zip(texts, found, strict=True) if is_number)


def _impressions(
    rows: pl.DataFrame,
    columns: TableMap,
    numeric: tuple[str, ...],
    path: Path,
    first_row: int,
) -> pl.DataFrame:
    """Rows of the log under our names."""
    theirs = columns.columns
    numbers = [theirs[name] for name in _NUMBERS if name in theirs]
    types = dict.fromkeys([name for name in (*numbers, *numeric) if rows[name].dtype == pl.String], pl.Float64())
    read = cast_table(rows, types, path, first_row)
    frame = {name: read[their].alias(name) for name, their in theirs.items() if name != "timestamp"}
    for name in columns.categorical:
        ours = [our for our in columns.meta.context if name in (our, theirs[our])]
        frame.update({our: frame[our].cast(pl.String) for our in ours})
    for name in ("impression_id", "product_id", "policy", "model_version"):
        if name in frame:
            frame[name] = frame[name].cast(pl.String)
    if "product_id" not in frame:
        frame["product_id"] = pl.Series("product_id", [columns.meta.name] * rows.height, dtype=pl.String)
    if "timestamp" in theirs:
        frame["timestamp"] = _timestamp(rows, columns, path, first_row)
    for slot in columns.slots:
        frame[slot.slot.name] = slot_ids(rows[slot.column], slot, frame["product_id"])
    return pl.DataFrame(frame)


def _check(frame: pl.DataFrame, joiner: ImpressionJoiner, columns: TableMap, path: Path, first_row: int) -> None:
    """Raise the first broken rule under the names of the log."""
    table = frame.rechunk().to_arrow()
    findings: list[Finding] = list(schema_findings(columns.meta, table.schema, str(path)))
    raise_first(_renamed(findings, columns))
    for batch in table.to_batches():
        findings += joiner.check(batch, str(path), np.arange(first_row, first_row + batch.num_rows))[1]
        first_row += batch.num_rows
    raise_first(_renamed(findings, columns))


def _renamed(findings: Iterable[Finding], columns: TableMap) -> Iterator[Finding]:
    theirs = {**columns.columns, **{slot.slot.name: slot.column for slot in columns.slots}}
    return (replace(found, column=theirs.get(found.column, found.column)) for found in findings)


def _in_own_table(found: Finding, columns: TableMap) -> Finding:
    """A finding in the table of products or elements: its own column name, rows counted from 1."""
    for table in (columns.elements, columns.products):
        if table is not None and str(table.file) == found.file:
            rows = np.where(found.rows == NO_ROW, NO_ROW, found.rows + 1)
            return replace(found, column=table.columns.get(found.column, found.column), rows=rows)
    return found


def _timestamp(rows: pl.DataFrame, columns: TableMap, path: Path, first_row: int) -> pl.Series:
    """UTC without a zone, microseconds."""
    name = columns.columns["timestamp"]
    given, unit = rows[name], columns.timestamp_unit
    if isinstance(given.dtype, pl.Datetime):
        zone = given.dtype.time_zone
        moved = given.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else given
        return moved.cast(pl.Datetime("us"))
    if given.dtype == pl.Date:
        return given.cast(pl.Datetime("us"))
    if unit is not None:
        number = cast_table(rows.select(name), {name: pl.Int64()}, path, first_row)[name]
        return (number * _UNITS[unit]).cast(pl.Datetime("us"))
    if given.dtype != pl.String:
        raise DataError(
            f"{path}, column {name!r}: numbers need `timestamp_unit` in the map (s, ms or us). Found {given.dtype}."
        )
    text = pl.col(name).str.strip_chars()
    if columns.timestamp_format is not None:
        time, rule = _parsed(text, columns.timestamp_format), f"a time like {columns.timestamp_format!r} is expected"
    else:
        time = pl.coalesce(_parsed(text.str.replace("T", " "), form) for form in _ISO)
        rule = "a time like 2026-03-01T12:30:00 is expected (else name timestamp_format or timestamp_unit in the map)"
    read = rows.select(time.alias(name))[name]
    refuse_rows(rows, read.is_null() & given.is_not_null(), name, rule, path, first_row)
    return read


def _parsed(text: pl.Expr, form: str) -> pl.Expr:
    if "%z" in form or "%:z" in form or "%#z" in form:
        zoned = text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
        return zoned.dt.replace_time_zone(None)
    return text.str.to_datetime(form, time_unit="us", strict=False)
