"""What is wrong in a dataset folder: findings (one rule, many rows) and violations (one rule, one row).

Rows of a dataset's Parquet files are counted from 0 within their file, as polars and DuckDB number them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError, UnknownIdError

MAX_SHOWN = 80
NO_ROW = -1


@dataclass(frozen=True)
class Violation:
    """One broken rule at one place. row: None where no row is to blame · value: as shown to a person, shortened."""

    file: str
    row: int | None
    column: str
    rule: str
    value: str
    message: str

    def error(self) -> DataError:
        """The exception to raise: `UnknownIdError` for an id the catalogue lacks, else `DataError`."""
        return UnknownIdError(self.message) if self.rule.startswith("unknown_") else DataError(self.message)


@dataclass(frozen=True)
class Finding:
    """One rule broken in one column of one file, at every row of `rows` (ascending; `NO_ROW` = no row to blame).

    rule: short name, e.g. `propensity_range` · expected: the rule in words · values: what stands at each row.
    """

    file: str
    column: str
    rule: str
    expected: str
    rows: NDArray[np.int64]
    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def violation(self, index: int = 0) -> Violation:
        """The violation at `rows[index]`."""
        row, value = int(self.rows[index]), _shown(self.values[index])
        row_words = "" if row == NO_ROW else f", row {row}"
        column_words = f", column {self.column!r}" if self.column else ""
        message = f"{self.file}{row_words}{column_words}: {self.expected}. Found {value}."
        return Violation(self.file, None if row == NO_ROW else row, self.column, self.rule, value, message)


def finding(file: str, column: str, rule: str, expected: str, value: Any) -> Finding:
    """A finding that concerns no single row."""
    return Finding(file, column, rule, expected, np.array([NO_ROW]), [value])


def raise_first(findings: Iterable[Finding]) -> None:
    """Raise the error of the first finding, if there is one."""
    for found in findings:
        raise found.violation().error()


def _shown(value: Any) -> str:
    text = value if isinstance(value, _Words) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


class _Words(str):
    """A value that is already a phrase, shown without quotes."""


def words(text: str) -> str:
    """Mark `text` as a phrase of ours rather than a value of the data."""
    return _Words(text)
