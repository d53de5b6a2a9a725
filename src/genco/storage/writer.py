"""Writes a dataset folder: checked as it is written, complete or not there at all, in constant memory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.errors import DataError
from genco.storage.catalogue_checks import (
    ELEMENTS_FILE,
    PRODUCTS_FILE,
    complete_elements,
    plain_texts,
    rule_findings,
    table_findings,
    unusable_slot_findings,
)
from genco.storage.croissant import CROISSANT_FILE, croissant
from genco.storage.dataset import TRUTH_ARRAYS, TRUTH_INFO, open_dataset
from genco.storage.dataset_toml import DATASET_FILE, DatasetMeta, write_meta
from genco.storage.duplicate_ids import duplicate_id_findings
from genco.storage.impression_checks import ImpressionJoiner, schema_findings
from genco.storage.impression_files import IMPRESSIONS_FOLDER, ROW_GROUP_ROWS, ImpressionFile
from genco.storage.parquet_table import write_parquet_table
from genco.storage.part_folder import part_folder
from genco.storage.toml_file import save_toml
from genco.storage.toml_keys import unknown_value
from genco.storage.violation import Finding, raise_first

__all__ = ["DatasetMeta", "DatasetWriter"]

ROW_GROUPS_PER_FILE = 64
_OPTIONAL = {
    "timestamp": (pa.timestamp("us"), None),
    "num_impressions": (pa.int64(), 1),
    "num_clicks": (pa.int64(), 0),
    "num_conversions": (pa.int64(), 0),
    "revenue": (pa.float64(), 0.0),
    "propensity": (pa.float64(), None),
    "policy": (pa.string(), None),
    "model_version": (pa.string(), None),
}
_UNREPEATED = ("impression_id", "timestamp")


class DatasetWriter:
    """Context manager. Everything goes to a hidden sibling folder that is renamed to `path` at the end.

    Products and elements come before impressions. Raises `DataError` if `path` exists (with `overwrite`: if it is not a
    dataset folder), or at the first broken rule, naming table, row, column and value; then nothing stays behind.
    """

    def __init__(
        self,
        path: Path,
        meta: DatasetMeta,
        overwrite: bool = False,
        told: Callable[[Finding], Finding] = lambda found: found,
    ) -> None:
        """told: how an importer names, by its source, an impression_id that occurs twice."""
        self._path, self._meta, self._told = Path(path), meta, told
        self._ids_given = False
        _refuse_existing(self._path, overwrite)
        self._tables: dict[str, pl.DataFrame] = {}
        self._joiner: ImpressionJoiner | None = None
        self._pending: list[pa.Table] = []
        self._rows_received = 0
        self._schema: pa.Schema | None = None
        self._file: pq.ParquetWriter | None = None
        self._groups_written = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = part_folder(self._path)
        self._folder = self._part.__enter__()
        for name in ("catalogue", IMPRESSIONS_FOLDER):
            (self._folder / name).mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._file is not None:
                self._file.close()
            self._part.__exit__(kind, error, trace)

    def write_products(self, products: pl.DataFrame) -> None:
        """product_id and feature columns."""
        self._write_table(PRODUCTS_FILE, plain_texts(products))

    def write_elements(self, elements: pl.DataFrame) -> None:
        """element_id, component and, if present, product_id, text, image_uri, status and feature columns."""
        self._write_table(ELEMENTS_FILE, complete_elements(elements))

    def append_impressions(self, impressions: pl.DataFrame) -> None:
        """Append rows of the log, with the columns of INTERFACES; absent optional columns get their defaults.

        A row in a message is counted from the first row appended.
        """
        joiner = self._catalogue_joiner()
        table = impressions.rechunk().to_arrow()
        raise_first(schema_findings(self._meta, table.schema, "impressions"))
        first_row = self._rows_received
        for rows in table.to_batches(ROW_GROUP_ROWS):
            joiner.join(rows, "impressions", np.arange(first_row, first_row + rows.num_rows))
            first_row += rows.num_rows
        self._ids_given |= "impression_id" in table.column_names
        self._pending.append(self._complete(table))
        self._rows_received = first_row
        self._flush(ROW_GROUP_ROWS)

    def write_truth(self, arrays: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> None:
        """The true world: arrays (uncompressed) and their description."""
        path = self._folder / TRUTH_ARRAYS
        path.parent.mkdir(exist_ok=True)
        np.savez(path, allow_pickle=False, **dict(arrays))
        save_toml(self._folder / TRUTH_INFO, info)

    def write_asset(self, relative_path: str, content: bytes) -> None:
        """A picture; an element's `image_uri` is this relative path. Raises `DataError` if it leads outside."""
        relative = PurePosixPath(relative_path)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise DataError(f"The path of an asset should stay inside the dataset folder. Found {relative_path!r}.")
        target = self._folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def _write_table(self, name: str, table: pl.DataFrame) -> None:
        self._tables[name] = table
        write_parquet_table(self._folder / name, table)

    def _catalogue_joiner(self) -> ImpressionJoiner:
        """Check the catalogue once, when its first use comes."""
        if self._joiner is None:
            for name in (PRODUCTS_FILE, ELEMENTS_FILE):
                if name not in self._tables:
                    raise DataError(f"{self._path}: products and elements come before impressions. Found no {name}.")
            products, elements = self._tables[PRODUCTS_FILE], self._tables[ELEMENTS_FILE]
            raise_first(table_findings(products, elements))
            catalogue = Catalogue(self._meta.slots, products, elements, self._meta.rules)
            raise_first(rule_findings(self._meta, catalogue))
            raise_first(unusable_slot_findings(self._meta, catalogue))
            self._joiner = ImpressionJoiner(catalogue, self._meta)
        return self._joiner

    def _complete(self, rows: pa.Table) -> pa.Table:
        """The rows with every column of the log, in its order and type. The first rows fix the types of context."""
        if self._schema is None:
            self._schema = _log_schema(self._meta, rows.schema)
        unknown = [name for name in rows.column_names if name not in self._schema.names]
        if unknown:
            hint = unknown_value("column", unknown[0], [n for n in self._schema.names if n not in rows.column_names])
            raise DataError(f"impressions: {hint}")
        return pa.table([self._column(rows, field) for field in self._schema], schema=self._schema)

    def _column(self, rows: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
        if field.name in rows.column_names:
            return _cast(rows.column(field.name), field)
        if field.name == "impression_id":
            numbers = pl.int_range(self._rows_received, self._rows_received + rows.num_rows, eager=True)
            return numbers.cast(pl.String).str.zfill(10).to_arrow().cast(pa.string())
        return pa.repeat(pa.scalar(_OPTIONAL[field.name][1], field.type), rows.num_rows)

    def _flush(self, at_least: int) -> None:
        """Write pending rows in whole row groups; with `at_least = 1` also the rest."""
        if sum(table.num_rows for table in self._pending) < at_least:
            return
        table = pa.concat_tables(self._pending)
        whole = table.num_rows if at_least == 1 else table.num_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS
        for start in range(0, whole, ROW_GROUP_ROWS):
            group = table.slice(start, min(ROW_GROUP_ROWS, whole - start))
            self._open_file(table.schema).write_table(group, row_group_size=ROW_GROUP_ROWS)
            self._groups_written += 1
        self._pending = [table.take(np.arange(whole, table.num_rows))] if whole < table.num_rows else []

    def _open_file(self, schema: pa.Schema) -> pq.ParquetWriter:
        if self._file is not None and self._groups_written % ROW_GROUPS_PER_FILE == 0:
            self._file.close()
            self._file = None
        if self._file is None:
            number = self._groups_written // ROW_GROUPS_PER_FILE
            self._file = pq.ParquetWriter(
                self._folder / IMPRESSIONS_FOLDER / f"part-{number:05d}.parquet",
                schema,
                compression="zstd",
                use_dictionary=[name for name in schema.names if name not in _UNREPEATED],
            )
        return self._file

    def _finish(self) -> None:
        self._catalogue_joiner()
        self._flush(1)
        if self._file is not None:
            self._file.close()
        write_meta(self._folder, self._meta)
        dataset = open_dataset(self._folder)
        if self._ids_given:
            self._refuse_doubled_ids(dataset.files)
        described = croissant(dataset)
        (self._folder / CROISSANT_FILE).write_text(
            json.dumps(described, indent=1, ensure_ascii=False), encoding="utf-8"
        )
        _put_in_place(self._folder, self._path)

    def _refuse_doubled_ids(self, files: Sequence[ImpressionFile]) -> None:
        starts = np.cumsum([0, *(file.num_rows for file in files)])
        first_row = {str(file.path): start for file, start in zip(files, starts, strict=False)}
        for found in duplicate_id_findings(files, limit=1)[0]:
            rows = found.rows + first_row[found.file]
            raise_first([self._told(replace(found, file=IMPRESSIONS_FOLDER, rows=rows))])


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise DataError(
            f"{path}: a folder that does not exist yet is expected (`overwrite` replaces it). Found it in place."
        )
    if not (path / DATASET_FILE).is_file():
        raise DataError(f"{path}: only a dataset folder is overwritten. Found no {DATASET_FILE} in it.")


def _put_in_place(folder: Path, path: Path) -> None:
    """Rename `folder` to `path`; what stood there is set aside first and removed last."""
    aside = folder.with_suffix(".old")
    if path.exists():
        path.rename(aside)
    os.replace(folder, path)
    shutil.rmtree(aside, ignore_errors=True)


def _log_schema(meta: DatasetMeta, given: pa.Schema) -> pa.Schema:
    """Every column of the log; types of context columns as given."""
    first = {"impression_id": pa.string(), "timestamp": _OPTIONAL["timestamp"][0], "product_id": pa.string()}
    context = {name: _plain(given.field(name).type) for name in meta.context}
    slots = {slot.name: pa.string() for slot in meta.slots}
    return pa.schema({**first, **context, **slots, **{name: kind for name, (kind, _) in _OPTIONAL.items()}})


def _plain(kind: pa.DataType) -> pa.DataType:
    """Texts of every sort as `string`."""
    texts = (pa.types.is_large_string, pa.types.is_string_view, pa.types.is_dictionary, pa.types.is_null)
    return pa.string() if any(is_text(kind) for is_text in texts) else kind


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        return column.cast(field.type, safe=not pa.types.is_timestamp(field.type))
    except pa.ArrowException as error:
        raise DataError(
            f"impressions, column {field.name!r}: values of type {field.type} are expected. {error}"
        ) from error
