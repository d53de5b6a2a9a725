"""Raw rows of a benchmark in one Parquet file that is whole at any moment; finished units are not run again."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from genco.benchmarks.suite import Row
from genco.errors import DataError


class RowFile:
    """The rows at `path`, each unit of work named by its values of `keys`."""

    def __init__(self, path: Path, keys: tuple[str, ...]) -> None:
        self.path, self.keys = path, keys
        self.rows = pl.DataFrame()
        if path.exists():
            try:
                self.rows = pl.read_parquet(path)
            except (pl.exceptions.PolarsError, OSError) as error:
                raise DataError(f"{path}: a Parquet file of benchmark rows is expected. {error}") from error
            missing = [key for key in keys if key not in self.rows.columns]
            if missing:
                raise DataError(f"{path}: the columns {', '.join(keys)} are expected. Missing: {', '.join(missing)}.")

    def holds(self, unit: Row) -> bool:
        """Whether the unit is finished."""
        if not self.rows.height:
            return False
        return self.rows.filter(pl.all_horizontal(pl.col(key) == unit[key] for key in self.keys)).height > 0

    def add(self, unit: Row, measured: list[Row]) -> None:
        """Add the rows of a finished unit, all at once."""
        named = [{**{key: unit[key] for key in self.keys}, **_numbers_as_floats(row)} for row in measured]
        added = pl.DataFrame(named, infer_schema_length=None)
        self.rows = pl.concat([self.rows, added], how="diagonal_relaxed") if self.rows.height else added
        temporary = self.path.with_name(f".{self.path.name}.part")
        self.rows.write_parquet(temporary)
        os.replace(temporary, self.path)


def _numbers_as_floats(row: Row) -> Row:
    """Whole numbers of one seed may be fractions of the next: all become floats."""
    whole = {name for name, value in row.items() if isinstance(value, int) and not isinstance(value, bool)}
    return {name: float(value) if name in whole else value for name, value in row.items()}
