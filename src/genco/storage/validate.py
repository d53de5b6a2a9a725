"""Everything that is wrong in a dataset folder. Reports, never repairs, never raises on bad data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from genco.data.catalogue import Catalogue
from genco.errors import DataError
from genco.storage.catalogue_checks import (
    ELEMENTS_FILE,
    PRODUCTS_FILE,
    rule_findings,
    table_findings,
    unusable_slot_findings,
)
from genco.storage.dataset import read_catalogue_tables
from genco.storage.dataset_toml import DATASET_FILE, DatasetMeta, read_meta
from genco.storage.duplicate_ids import duplicate_id_findings
from genco.storage.impression_checks import (
    ImpressionJoiner,
    context_findings,
    read_columns,
    schema_findings,
    text_columns,
)
from genco.storage.impression_files import ROW_GROUP_ROWS, ImpressionFile, list_impression_paths, read_footer
from genco.storage.violation import Finding, Violation


def validate_dataset(path: str | Path, limit: int = 1000) -> list[Violation]:
    """Return the violations of the folder: file, row, column, rule, value, message. Empty = the dataset is sound.

    Of each kind (column and rule) the first `limit` are listed; where there are more, a last entry without row counts
    them. The log is streamed; memory does not grow with it.
    """
    folder, report = Path(path), _Report(limit)
    try:
        meta = read_meta(folder)
    except DataError as error:
        return [_of_file(folder / DATASET_FILE, error)]
    catalogue = _check_catalogue(folder, meta, report)
    files = _check_files(folder, meta, report)
    if catalogue is not None:
        _check_rows(files, catalogue, meta, report)
    try:
        found, num_rows = duplicate_id_findings(files, limit)
        report.add(found, num_rows)
    except DataError as error:
        report.violations.append(_of_file(folder, error))
    return report.finish()


class _Report:
    """Lists the first violations of each kind, and counts the others."""

    def __init__(self, limit: int) -> None:
        self.violations: list[Violation] = []
        self._limit = limit
        self._counts: Counter[tuple[str, str]] = Counter()
        self._listed: Counter[tuple[str, str]] = Counter()

    def add(self, findings: Iterable[Finding], num_rows: int | None = None) -> None:
        """Add findings; `num_rows` where there are more rows than the findings list."""
        for found in findings:
            kind = found.column, found.rule
            shown = min(len(found), self._limit - self._listed[kind])
            self.violations += [found.violation(index) for index in range(shown)]
            self._listed[kind] += shown
            self._counts[kind] += len(found)
            if num_rows is not None:
                self._counts[kind] = num_rows

    def finish(self) -> list[Violation]:
        for (column, rule), count in self._counts.items():
            more = count - self._listed[column, rule]
            if more > 0:
                message = f"column {column!r}, rule {rule}: {more:,} more rows, {count:,} in all."
                self.violations.append(Violation("", None, column, rule, f"{more:,} more", message))
        return self.violations


def _check_catalogue(folder: Path, meta: DatasetMeta, report: _Report) -> Catalogue | None:
    """The catalogue without its broken rows, or None where there is none to check a log against."""
    try:
        products, elements = read_catalogue_tables(folder)
    except DataError as error:
        report.violations.append(_of_file(folder / "catalogue", error))
        return None
    names = str(folder / PRODUCTS_FILE), str(folder / ELEMENTS_FILE)
    found = list(table_findings(products, elements, *names))
    report.add(found)
    if any(entry.rule in ("missing_column", "type") for entry in found):
        return None
    products, elements = _distinct(products, "product_id"), _distinct(elements, "element_id")
    catalogue = Catalogue(meta.slots, products, elements, meta.rules)
    report.add(rule_findings(meta, catalogue, str(folder / DATASET_FILE)))
    report.add(unusable_slot_findings(meta, catalogue, names[1]))
    return catalogue


def _distinct(table: pl.DataFrame, key: str) -> pl.DataFrame:
    return table.filter(pl.col(key).is_not_null() & pl.col(key).is_first_distinct())


def _check_files(folder: Path, meta: DatasetMeta, report: _Report) -> list[ImpressionFile]:
    """Files of the log that can be read row by row."""
    files = []
    for path in list_impression_paths(folder):
        try:
            file = read_footer(path)
        except DataError as error:
            report.violations.append(_of_file(path, error))
            continue
        found = schema_findings(meta, file.schema, str(path))
        report.add(found)
        if not found:
            files.append(file)
    report.add(context_findings(meta, ((str(file.path), file.schema) for file in files)))
    return files


def _check_rows(files: list[ImpressionFile], catalogue: Catalogue, meta: DatasetMeta, report: _Report) -> None:
    joiner = ImpressionJoiner(catalogue, meta)
    for file in files:
        try:
            columns = read_columns(meta, file.schema.names)
            for numbers, rows in file.stream(columns, text_columns(meta), ROW_GROUP_ROWS):
                report.add(joiner.check(rows, str(file.path), numbers)[1])
        except DataError as error:
            report.violations.append(_of_file(file.path, error))


def _of_file(path: Path, error: DataError) -> Violation:
    return Violation(str(path), None, "", "unreadable", "", str(error))
