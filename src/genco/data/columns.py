"""Feature columns of a table to numbers: numeric columns standardised, all others one-hot.

An encoder is fitted once and kept with the run, so that a later table (new products, a request) is encoded alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.errors import ConfigError, DataError

Features = NDArray[np.float32]
MAX_VALUES = 64
LARGEST_SPREAD, LARGEST_SIZE = 30.0, 1e6


@dataclass(frozen=True)
class NumericColumn:
    """(value - mean) / scale; null -> 0. With `indicator`, a second feature is 1 where the value is null."""

    name: str
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        return (self.name, f"{self.name}=null") if self.indicator else (self.name,)

    def encode(self, column: pl.Series, table: str) -> Features:
        """Return [row, 1 or 2]. Raises `DataError` on text, NaN or infinity."""
        if not column.dtype.is_numeric() and column.dtype != pl.Null:
            raise DataError(f"{table}, column {self.name!r}: numbers are expected. Found type {column.dtype}.")
        values = column.cast(pl.Float64)
        require_finite(values, table)
        scaled = ((values - self.mean) / self.scale).fill_null(0.0).to_numpy().astype(np.float32)
        return np.stack([scaled, column.is_null().to_numpy()] if self.indicator else [scaled], axis=1).astype(
            np.float32
        )


@dataclass(frozen=True)
class CategoricalColumn:
    """One feature per known value; null and unknown values give zeros. Values compare as text."""

    name: str
    values: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(f"{self.name}={value}" for value in self.values)

    def encode(self, column: pl.Series, table: str) -> Features:
        """Return one-hot [row, value]."""
        del table
        if not self.values:
            return np.zeros((len(column), 0), dtype=np.float32)
        codes = column.cast(pl.String).replace_strict(
            list(self.values), list(range(len(self.values))), default=-1, return_dtype=pl.Int32
        )
        return np.asarray(codes.fill_null(-1).to_numpy()[:, None] == np.arange(len(self.values)), dtype=np.float32)


@dataclass(frozen=True)
class ColumnEncoder:
    """Encodes the named columns of a table side by side."""

    columns: tuple[NumericColumn | CategoricalColumn, ...]

    @classmethod
    def fit(cls, table: pl.DataFrame, what: str, *, standardise: bool = True, indicators: bool = True) -> ColumnEncoder:
        """Learn mean, scale and values from `table`, called `what` in messages.

        Text, booleans and other types keep their 64 most frequent values. With `standardise = False` numbers stay as
        they are, but in columns whose numbers would drown all others (standard deviation above 30, or sizes above 1e6);
        with `indicators = False` a numeric column with nulls gets none. Raises `DataError` on NaN, infinity.
        """
        return cls(tuple(_fit_column(column, what, standardise, indicators) for column in table.iter_columns()))

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each feature: the column, or `column=value`."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def dim(self) -> int:
        return len(self.names)

    @property
    def slices(self) -> dict[str, slice]:
        """Features of each column."""
        stops = np.cumsum([0, *(len(column.features) for column in self.columns)]).tolist()
        return {column.name: slice(a, b) for column, a, b in zip(self.columns, stops[:-1], stops[1:], strict=True)}

    def transform(self, table: pl.DataFrame, what: str) -> Features:
        """Return float32 [row, feature]. Columns not fitted are ignored. Raises `DataError` on a missing column."""
        missing = [column.name for column in self.columns if column.name not in table.columns]
        if missing:
            raise DataError(
                f"{what}: column {missing[0]!r} is missing. Found {', '.join(table.columns) or 'no column'}."
            )
        parts = [column.encode(table[column.name], what) for column in self.columns]
        return np.concatenate([np.zeros((table.height, 0), dtype=np.float32), *parts], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for TOML or JSON; `from_dict` restores them exactly."""
        kinds = {NumericColumn: "numeric", CategoricalColumn: "categorical"}
        return {"columns": [{"kind": kinds[type(column)], **asdict(column)} for column in self.columns]}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ColumnEncoder:
        """Inverse of `to_dict`. Raises `ConfigError` on an unknown kind."""
        return cls(tuple(_column_from_dict(dict(column)) for column in state["columns"]))


def require_finite(values: pl.Series, table: str) -> None:
    """Raise `DataError` naming column and row (0-based) of the first NaN or infinite number."""
    bad = values.is_finite().fill_null(True).not_()
    if bad.any():
        row = int(bad.arg_true()[0])
        raise DataError(
            f"{table}, row {row}, column {values.name!r}: a finite number is expected. Found {values[row]}."
        )


def _fit_column(column: pl.Series, what: str, standardise: bool, indicators: bool) -> NumericColumn | CategoricalColumn:
    if column.dtype.is_numeric():
        values = column.cast(pl.Float64)
        require_finite(values, what)
        indicator = indicators and column.null_count() > 0
        known = values.drop_nulls().to_numpy()
        if not len(known) or not (standardise or _drowns_others(known)):
            return NumericColumn(column.name, indicator=indicator)
        return NumericColumn(column.name, float(known.mean()), float(known.std()) or 1.0, indicator)
    if column.dtype == pl.Null:
        return CategoricalColumn(column.name, ())
    counts = column.cast(pl.String).drop_nulls().value_counts(name="number of rows").rename({column.name: "value"})
    frequent = counts.sort(["number of rows", "value"], descending=[True, False]).head(MAX_VALUES)
    return CategoricalColumn(column.name, tuple(frequent["value"].sort().to_list()))


def _drowns_others(known: NDArray[np.float64]) -> bool:
    """Whether directions of content found by variance would show nothing but this column."""
    return bool(known.std() > LARGEST_SPREAD or np.abs(known).max() > LARGEST_SIZE)


def _column_from_dict(state: dict[str, Any]) -> NumericColumn | CategoricalColumn:
    kind = state.pop("kind", None)
    if kind == "numeric":
        return NumericColumn(**state)
    if kind == "categorical":
        return CategoricalColumn(state["name"], tuple(state["values"]))
    raise ConfigError(f"Key `kind` of a column should be numeric or categorical. Found {kind!r}.")
