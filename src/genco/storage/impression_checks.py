"""From rows of an impressions file to an `ImpressionBatch`, with every broken rule found on the way.

One code path serves reading (raise the first finding) and `validate` (collect them all).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.data.catalogue import EMPTY, Catalogue
from genco.storage.dataset_toml import DatasetMeta
from genco.storage.id_index import UNKNOWN, IdIndex
from genco.storage.violation import Finding, finding, raise_first, words

_MISPLACED = UNKNOWN - 1
_COUNTS = ("num_impressions", "num_clicks", "num_conversions")
_LARGEST_COUNT = 2.0**53  # above it, floating-point numbers leave out whole numbers
_SMALLEST = np.finfo(np.float32).tiny
_DEFAULTS: dict[str, float] = {"num_impressions": 1.0}
Column = Any
Floats = NDArray[np.float64]
RowNumbers = NDArray[np.int64]


def text_columns(meta: DatasetMeta) -> tuple[str, ...]:
    """Columns of ids: the product and one element per slot."""
    return ("product_id", *(slot.name for slot in meta.slots))


def needed_columns(meta: DatasetMeta) -> tuple[str, ...]:
    """Columns that an impressions file must have."""
    return (*text_columns(meta), *meta.context, meta.reward)


def read_columns(meta: DatasetMeta, present: Sequence[str]) -> list[str]:
    """Columns to read for a batch, of those present."""
    wanted = (*needed_columns(meta), *_COUNTS, "revenue", "propensity", "timestamp")
    return [name for name in dict.fromkeys(wanted) if name in present]


def schema_findings(meta: DatasetMeta, schema: pa.Schema, file: str) -> list[Finding]:
    """Missing columns and columns of a wrong type."""
    found = []
    for name in needed_columns(meta):
        if name not in schema.names:
            shown = words(", ".join(schema.names) or "no column")
            found.append(finding(file, name, "missing_column", "the column is missing", shown))
    expected = {
        **dict.fromkeys(text_columns(meta), (_is_text, "a column of texts")),
        **dict.fromkeys((*_COUNTS, "revenue", "propensity"), (_is_number, "a column of numbers")),
        **dict.fromkeys(meta.context, (_is_context, "a column of texts, booleans or numbers")),
        "timestamp": (_is_time, "a column of timestamps, or of integers in microseconds,"),
    }
    for name, (fits, rule) in expected.items():
        if name in schema.names and not fits(_plain_type(schema.field(name).type)):
            shown = words(f"type {schema.field(name).type}")
            found.append(finding(file, name, "type", f"{rule} is expected", shown))
    return found


def context_findings(meta: DatasetMeta, schemas: Iterable[tuple[str, pa.Schema]]) -> Iterator[Finding]:
    """Context columns of one sort (texts, booleans, numbers) in one file and another in a later one."""
    first: dict[str, tuple[str, str]] = {}
    for file, schema in schemas:
        for name in meta.context:
            kind = _plain_type(schema.field(name).type)
            if pa.types.is_null(kind):
                continue
            sort = "texts" if _is_text(kind) else "booleans" if pa.types.is_boolean(kind) else "numbers"
            known, where = first.setdefault(name, (sort, file))
            if sort != known:
                rule = f"a column of {known}, as in {where}, is expected"
                yield finding(file, name, "mixed_types", rule, words(f"type {kind}"))


class ImpressionJoiner:
    """Joins rows of impressions to a catalogue. Files must have passed `schema_findings`."""

    def __init__(self, catalogue: Catalogue, meta: DatasetMeta) -> None:
        self._catalogue, self._meta = catalogue, meta
        self._products = IdIndex(catalogue.products["product_id"])
        self._elements = IdIndex(catalogue.elements["element_id"])
        components = [catalogue.components.index(slot.component) for slot in meta.slots]
        self._fits = [catalogue.element_component == component for component in components]

    def join(self, rows: pa.RecordBatch, file: str, numbers: RowNumbers) -> ImpressionBatch:
        """Return the rows as a batch; `numbers` are their row numbers in `file`.

        Raises `UnknownIdError` or `DataError` naming file, row, column and value.
        """
        batch, found = self.check(rows, file, numbers)
        raise_first(found)
        return batch

    def check(self, rows: pa.RecordBatch, file: str, numbers: RowNumbers) -> tuple[ImpressionBatch, list[Finding]]:
        """Return the rows as a batch, which is only sound if no finding comes with it."""
        notes = _Notes(rows, file, numbers)
        product = _lookup(rows.column("product_id"), self._products)
        notes.add(product == EMPTY, "product_id", "empty_product_id", "a product_id is expected")
        notes.add(product == UNKNOWN, "product_id", "unknown_product", "a product_id of the catalogue is expected")
        combination = np.stack([self._slot(rows, product, i, notes) for i in range(len(self._meta.slots))], axis=1)
        counts = {name: self._number(rows, name, notes) for name in (*_COUNTS, "revenue")}
        self._compare(counts, notes)
        batch = ImpressionBatch(
            product=product,
            combination=combination,
            num_impressions=counts["num_impressions"].astype(np.float32),
            reward=counts[self._meta.reward].astype(np.float32),
            propensity=_propensity(rows, notes),
            timestamp=_timestamp(rows),
            context={name: _context(rows, name, notes) for name in self._meta.context},
        )
        return batch, notes.findings

    def _slot(self, rows: pa.RecordBatch, product: NDArray[np.int32], index: int, notes: _Notes) -> NDArray[np.int32]:
        slot, catalogue = self._meta.slots[index], self._catalogue
        element = _lookup(rows.column(slot.name), self._elements, self._fits[index])
        notes.add(element == UNKNOWN, slot.name, "unknown_element", "an element_id of the catalogue is expected")
        rule = f"an element of component {slot.component!r} is expected"
        notes.add(element == _MISPLACED, slot.name, "element_of_another_component", rule)
        if slot.required:
            notes.add(
                element == EMPTY, slot.name, "empty_required_slot", "an element is expected (the slot is required)"
            )
        if catalogue.num_elements:
            owner = catalogue.element_product[np.maximum(element, 0)]
            foreign = (element >= 0) & (owner >= 0) & (owner != product)
            rule = "an element of the row's product, or one shared by all, is expected"
            notes.add(foreign & (product >= 0), slot.name, "element_of_another_product", rule)
        return element

    def _number(self, rows: pa.RecordBatch, name: str, notes: _Notes) -> Floats:
        if name not in rows.schema.names:
            return np.full(rows.num_rows, _DEFAULTS.get(name, 0.0))
        values = _floats(rows.column(name))
        missing = np.isnan(values)
        if missing.any() and (name == self._meta.reward or name in _DEFAULTS):
            notes.add(missing, name, "number", "a number is expected")
        elif missing.any():
            notes.add(missing & _not_null(rows.column(name)), name, "number", "a number (or null) is expected")
        values = np.where(missing, 0.0, values) if missing.any() else values
        if name == "revenue":
            notes.add(~np.isfinite(values), name, "finite", "a finite number is expected")
            if self._meta.reward == name:
                notes.add(values < 0, name, "amount", "a number from 0 is expected of a reward")
            return values
        whole = (values >= 0) & (values == np.floor(values)) & np.isfinite(values)
        notes.add(~whole, name, "count", "a whole number from 0 is expected")
        notes.add(whole & (values > _LARGEST_COUNT), name, "large_count", "a whole number up to 2^53 is expected")
        return values

    def _compare(self, counts: dict[str, Floats], notes: _Notes) -> None:
        """No more clicks than impressions; nor conversions, where they are the reward or revenue is."""
        columns = ["num_clicks"] + (["num_conversions"] if self._meta.reward != "num_clicks" else [])
        for name in columns:
            rule = f"at most the row's num_impressions is expected in {name}"
            shown = counts["num_impressions"]
            notes.add((shown >= 0) & (counts[name] > shown), name, f"{name}_above_impressions", rule)


class _Notes:
    """Collects the findings of one batch."""

    def __init__(self, rows: pa.RecordBatch, file: str, numbers: RowNumbers) -> None:
        self._rows, self._file, self._numbers = rows, file, numbers
        self.findings: list[Finding] = []

    def add(self, broken: NDArray[np.bool_], column: str, rule: str, expected: str) -> None:
        if broken.any():
            rows = np.flatnonzero(broken)
            values = self._rows.column(column).take(pa.array(rows)).to_pylist()
            self.findings.append(Finding(self._file, column, rule, expected, self._numbers[rows], values))


def _lookup(column: Column, index: IdIndex, fits: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
    """Catalogue rows of ids: null -> `EMPTY`, unknown -> `UNKNOWN`, a row that does not fit -> `_MISPLACED`.

    Only the distinct ids of the batch are looked up. fits: [row of the catalogue].
    """
    encoded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    found = index.rows(pl.Series(encoded.dictionary).cast(pl.String))
    if fits is not None and len(fits):
        found = np.where((found >= 0) & ~fits[np.maximum(found, 0)], np.int32(_MISPLACED), found)
    if encoded.null_count:
        found = np.append(found, np.int32(EMPTY))
        return np.asarray(found[encoded.indices.fill_null(len(found) - 1).to_numpy()], dtype=np.int32)
    return np.asarray(found[encoded.indices.to_numpy()], dtype=np.int32)


def _floats(column: Column) -> Floats:
    """Numbers as float64, null as NaN."""
    plain = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
    return np.asarray(pc.cast(plain, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _not_null(column: Column) -> NDArray[np.bool_]:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _propensity(rows: pa.RecordBatch, notes: _Notes) -> NDArray[np.float32]:
    if "propensity" not in rows.schema.names:
        return np.full(rows.num_rows, np.nan, dtype=np.float32)
    column = rows.column("propensity")
    values = _floats(column)
    broken = ~((values > 0) & (values <= 1))
    if broken.any():
        broken &= _not_null(column)
        notes.add(broken, "propensity", "propensity_range", "a probability in (0, 1] (or null) is expected")
    return np.maximum(values, _SMALLEST).astype(np.float32)


def _timestamp(rows: pa.RecordBatch) -> NDArray[np.int64]:
    """Microseconds since 1970 UTC, 0 where there is none."""
    if "timestamp" not in rows.schema.names:
        return np.zeros(rows.num_rows, dtype=np.int64)
    column = rows.column("timestamp")
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        unit = pa.timestamp("us", getattr(column.type, "tz", None))
        column = pc.cast(column, unit, safe=False)
    column = column.cast(pa.int64())
    return np.asarray((column.fill_null(0) if column.null_count else column).to_numpy(), dtype=np.int64)


def _context(rows: pa.RecordBatch, name: str, notes: _Notes) -> NDArray[np.generic]:
    """Numbers as they are; texts, booleans and columns with nulls as objects with None."""
    column = rows.column(name)
    if isinstance(column, pa.DictionaryArray) and not _is_text(column.type.value_type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        column = column.dictionary_encode()
    if isinstance(column, pa.DictionaryArray):
        values = np.array([*column.dictionary.to_pylist(), None], dtype=object)
        return np.asarray(values[column.indices.fill_null(len(values) - 1).to_numpy()])
    if pa.types.is_floating(column.type):
        values = _floats(column)
        notes.add(~np.isfinite(values) & _not_null(column), name, "finite", "a finite number (or null) is expected")
    if column.null_count:
        return np.array(column.to_pylist(), dtype=object)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    return any(check(kind) for check in checks)


def _is_context(kind: pa.DataType) -> Any:
    return _is_text(kind) or (_is_number(kind) and not pa.types.is_decimal(kind))


def _is_time(kind: pa.DataType) -> bool:
    checks = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_integer, pa.types.is_null)
    return any(check(kind) for check in checks)
