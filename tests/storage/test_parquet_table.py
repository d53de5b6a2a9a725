"""Whole tables: there and back, and what the system refuses is told with the file's name."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from genco.errors import DataError
from genco.storage.parquet_table import read_parquet_table, write_parquet_table


def test_there_and_back(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": ["x", None], "b": [1.0, 2.0]})
    write_parquet_table(tmp_path / "t.parquet", table)
    assert read_parquet_table(tmp_path / "t.parquet").equals(table)


def test_a_file_that_cannot_be_written() -> None:
    with pytest.raises(DataError, match=r"full: cannot be written\. .*[Nn]o space left"):
        write_parquet_table(Path("/dev/full"), pl.DataFrame({"a": list(range(100_000))}))
