"""A whole Parquet file as a table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from genco.errors import DataError
from genco.storage.impression_files import damaged, read_footer


def read_parquet_table(path: Path) -> pl.DataFrame:
    """Read the file. Raises `DataError` naming it if it is missing or damaged.

    It is checked before polars sees it, which may end the process over a damaged one.
    """
    read_footer(path)
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)
        return pl.DataFrame(dict(zip(table.column_names, map(pl.Series, table.columns), strict=True)))
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise damaged(path, error) from error


def write_parquet_table(path: Path, table: pl.DataFrame) -> None:
    """Write the file. Raises `DataError` naming it where the system refuses, as on a full disk."""
    try:
        table.write_parquet(path, compression="zstd")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path.name}: cannot be written. {' '.join(str(error).split())}") from error
