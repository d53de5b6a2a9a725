"""Somebody else's table: encodings, rows of another length, and values that only seem to fit."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from genco.errors import DataError
from genco.storage.importers.source import cast_table, names_found, read_table, scan_table

TEXT = {"a": pl.String()}


def write(folder: Path, content: bytes) -> Path:
    (folder / "t.csv").write_bytes(content)
    return folder / "t.csv"


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,2\n", b"\xef\xbb\xbfa,b\n1,2\n", b"a,b\r\n1,2\r\n", b'"a",b\n"1","x\ny, z"\n', b"a,b\n1,2"],
)
def test_sound_files(content: bytes, tmp_path: Path) -> None:
    assert read_table(write(tmp_path, content), {"a": pl.Int64()}).rows() == [(1,)]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"a,b\n1,2\n3,4,5\n", r"t.csv, row 2: at most 2 values .* in quotes\). Found 3\."),
        (b'a,b\n"x\ny",2\n3,4,5\n', r"t.csv, row 2: at most 2 values"),
        ("a,b\n1,2\n".encode("utf-16"), r"t.csv: a CSV in UTF-8 is expected. Found UTF-16\."),
        (b"caf\xe9,a\n1,2\n", r"t.csv: a CSV in UTF-8 is expected. Found byte 0xe9 in the header\."),
        (b"a,b\0\n1,2\n", r"t.csv: a CSV in UTF-8 is expected. Found a zero byte in the header\."),
        (b"a,b\n1,2\n3,caf\xe9\n", r"t.csv, row 2: a text in UTF-8 is expected. Found 'caf\\udce9'"),
        (b"a;b\n1;2\n", r"column 'a' is missing. Found a;b. Its columns seem to be separated by ';'"),
        (b"", r"t.csv: cannot be read as a table"),
    ],
)
def test_broken_files(content: bytes, shown: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=shown):
        scan_table(write(tmp_path, content), tuple(TEXT))


def test_many_and_long_names_are_shortened() -> None:
    assert names_found(["a", "b" * 100]) == f"a, {'b' * 60}..."
    assert names_found(["a"] * 1_000).endswith("a and 970 more")


@pytest.mark.parametrize(
    ("values", "dtype", "shown"),
    [
        (pl.Series("n", [2.0, 2.5]), pl.Int64(), r"row 2, column 'n': a whole number is expected. Found 2.5\."),
        (pl.Series("n", [2.0, float("nan")]), pl.Int64(), r"row 2, column 'n': a whole number .* Found nan\."),
        (pl.Series("n", [1.0, 1e300]), pl.Int64(), r"row 2, column 'n': a whole number .* Found 1e\+300\."),
        (pl.Series("n", [["x"], ["y"]]), pl.String(), r"row 1, column 'n': a text is expected. Found \['x'\]\."),
        (pl.Series("n", ["1", "x" * 900]), pl.Float64(), r"row 2, column 'n': a number .* \(902 characters\)\."),
    ],
)
def test_values_that_do_not_fit(values: pl.Series, dtype: pl.DataType, shown: str) -> None:
    with pytest.raises(DataError, match=shown):
        cast_table(pl.DataFrame([values]), {"n": dtype}, Path("t.parquet"))


def test_whole_numbers_held_as_decimals_fit() -> None:
    cast = cast_table(pl.DataFrame({"n": [2.0, None]}), {"n": pl.Int64()}, Path("t.parquet"))
    assert cast["n"].to_list() == [2, None]
