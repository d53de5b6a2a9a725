"""A dataset folder, opened for reading: catalogue, log and, where a simulator wrote it, the truth."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.data.catalogue import Catalogue
from genco.errors import DataError
from genco.rng import stream
from genco.storage.catalogue_checks import (
    ELEMENTS_FILE,
    PRODUCTS_FILE,
    complete_elements,
    plain_texts,
    rule_findings,
    table_findings,
    unusable_slot_findings,
)
from genco.storage.dataset_toml import DATASET_FILE, SCHEMA_VERSION, DatasetMeta, read_meta
from genco.storage.duplicate_ids import duplicate_id_findings
from genco.storage.impression_checks import (
    ImpressionJoiner,
    context_findings,
    read_columns,
    schema_findings,
    text_columns,
)
from genco.storage.impression_files import (
    ROW_GROUP_ROWS,
    ImpressionFile,
    find_impression_files,
    read_footer,
)
from genco.storage.parquet_table import read_parquet_table
from genco.storage.toml_file import load_toml
from genco.storage.violation import raise_first

__all__ = ["SCHEMA_VERSION", "Dataset", "DatasetMeta", "open_dataset", "read_catalogue_tables"]

TRUTH_ARRAYS, TRUTH_INFO = "truth/world.npz", "truth/world.toml"


def open_dataset(path: str | Path) -> Dataset:
    """Open a dataset folder. Reads `dataset.toml` and Parquet footers only.

    Raises `DataError` naming the file if the folder is empty, `dataset.toml` breaks a rule, or a Parquet file is
    missing, truncated, or lacks a column.
    """
    folder = Path(path)
    meta = read_meta(folder)
    for name in (PRODUCTS_FILE, ELEMENTS_FILE):
        read_footer(folder / name)
    files = find_impression_files(folder)
    for file in files:
        raise_first(schema_findings(meta, file.schema, str(file.path)))
    raise_first(context_findings(meta, ((str(file.path), file.schema) for file in files)))
    return Dataset(folder, meta, files)


class Dataset:
    """Use `open_dataset`. Holds no rows; every method reads what it needs."""

    def __init__(self, path: Path, meta: DatasetMeta, files: tuple[ImpressionFile, ...]) -> None:
        self.path, self.meta, self.files = path, meta, files

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {self.meta.name!r}, {self.num_rows:,} rows)"

    @property
    def num_rows(self) -> int:
        """Rows of the log (aggregated rows count once)."""
        return sum(file.num_rows for file in self.files)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Products, elements, slots and rules.

        Raises `UnknownIdError` or `DataError` naming file, row, column and value; also if a required slot has no
        approved element for any product at all.
        """
        products, elements = read_catalogue_tables(self.path)
        names = str(self.path / PRODUCTS_FILE), str(self.path / ELEMENTS_FILE)
        raise_first(table_findings(products, elements, *names))
        catalogue = Catalogue(self.meta.slots, products, elements, self.meta.rules)
        raise_first(rule_findings(self.meta, catalogue, str(self.path / DATASET_FILE)))
        raise_first(unusable_slot_findings(self.meta, catalogue, names[1]))
        return catalogue

    def batches(self, batch_rows: int = ROW_GROUP_ROWS) -> Iterator[ImpressionBatch]:
        """Yield the log in order of file and row, at most `batch_rows` rows at a time, in constant memory.

        Raises `UnknownIdError` or `DataError` naming file, row, column and value at the first broken rule.
        """
        for file in self.files:
            for numbers, rows in self._stream(file, batch_rows):
                yield self._joiner.join(rows, str(file.path), numbers)

    def sample(self, num_rows: int, seed: int) -> ImpressionBatch:
        """A uniform sample of rows without replacement, in order of the log; all of them if there are no more."""
        size = min(num_rows, self.num_rows)
        chosen = np.sort(stream(seed, "sample rows").choice(self.num_rows, size, replace=False, shuffle=False))
        parts, start = [], 0
        for file in self.files:
            for numbers, rows in self._stream(file, ROW_GROUP_ROWS):
                first, stop = np.searchsorted(chosen, [start, start + len(numbers)])
                picked = chosen[first:stop] - start
                start += len(numbers)
                if len(picked):
                    parts.append(self._joiner.join(rows.take(pa.array(picked)), str(file.path), numbers[picked]))
        return _concatenate(parts, self.meta)

    def require_distinct_ids(self) -> None:
        """Raise `DataError` naming file, row and value of an impression_id that an earlier row has."""
        raise_first(duplicate_id_findings(self.files, limit=1)[0])

    def fingerprint(self) -> str:
        """Hash of `dataset.toml`, the catalogue files and the footers of the log: equal for equal copies."""
        digest = hashlib.sha256()
        for name in (DATASET_FILE, PRODUCTS_FILE, ELEMENTS_FILE):
            digest.update((self.path / name).read_bytes())
        for file in self.files:
            schema = [(field.name, str(field.type)) for field in file.schema]
            digest.update(repr((file.path.relative_to(self.path).as_posix(), file.num_rows, file.num_bytes)).encode())
            digest.update(repr(schema).encode())
        return digest.hexdigest()

    @property
    def has_truth(self) -> bool:
        """Whether the true world lies beside the log, as in simulated data. For evaluation only."""
        return (self.path / TRUTH_ARRAYS).exists()

    def read_truth(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and description of the true world. Raises `DataError` if absent or damaged."""
        path = self.path / TRUTH_ARRAYS
        if not self.has_truth:
            raise DataError(f"{self.path}: a dataset with a truth is expected. Found no {TRUTH_ARRAYS}.")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}, load_toml(self.path / TRUTH_INFO)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: a complete file of arrays is expected. {error}") from error

    @cached_property
    def _joiner(self) -> ImpressionJoiner:
        return ImpressionJoiner(self.catalogue, self.meta)

    def _stream(self, file: ImpressionFile, batch_rows: int) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        columns = read_columns(self.meta, file.schema.names)
        return file.stream(columns, text_columns(self.meta), batch_rows)


def read_catalogue_tables(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Products and elements, optional columns filled in. Raises `DataError` naming a file that cannot be read."""
    products, elements = (read_parquet_table(folder / name) for name in (PRODUCTS_FILE, ELEMENTS_FILE))
    return plain_texts(products), complete_elements(elements)


def _concatenate(parts: list[ImpressionBatch], meta: DatasetMeta) -> ImpressionBatch:
    if not parts:
        none = np.zeros(0, dtype=np.float32)
        rows = np.zeros((0, len(meta.slots)), dtype=np.int32)
        context: dict[str, NDArray[np.generic]] = {name: np.zeros(0, dtype=object) for name in meta.context}
        return ImpressionBatch(rows[:, 0], rows, none, none, none, np.zeros(0, dtype=np.int64), context)
    return ImpressionBatch(
        product=np.concatenate([part.product for part in parts]),
        combination=np.concatenate([part.combination for part in parts]),
        num_impressions=np.concatenate([part.num_impressions for part in parts]),
        reward=np.concatenate([part.reward for part in parts]),
        propensity=np.concatenate([part.propensity for part in parts]),
        timestamp=np.concatenate([part.timestamp for part in parts]),
        context={name: np.concatenate([part.context[name] for part in parts]) for name in meta.context},
    )
