"""Reading somebody else's file: find it, check its columns, and name file, row and value of whatever is wrong.

Rows are counted from 1, below the header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from genco.errors import DataError

TABLE_SUFFIXES = (".parquet", ".csv")
SEPARATORS = (",", ";", "\t", "|")


def find_file(source: Path, suffixes: tuple[str, ...] = TABLE_SUFFIXES, ignore: tuple[str, ...] = ()) -> Path:
    """Return `source` if it is a file, else the only file in that folder with one of `suffixes`.

    Files named in `ignore` do not count. Raises `DataError` if there is none, or more than one to choose from.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise DataError(f"{source}: a file or a folder is expected. Found neither.")
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in suffixes and path.name not in ignore)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DataError(
            f"{source}: exactly one file ({' or '.join(suffixes)}) is expected; name the file. Found {names}."
        )
    return found[0]


def scan_table(path: Path, required: tuple[str, ...], separator: str = ",") -> pl.LazyFrame:
    """Open a CSV (every column as text) or Parquet file. Raises `DataError` if unreadable or a column is missing."""
    is_parquet = path.suffix.lower() == ".parquet"
    try:
        frame = pl.scan_parquet(path) if is_parquet else pl.scan_csv(path, infer_schema=False, separator=separator)
        names = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error
    missing = [name for name in required if name not in names]
    if missing:
        found = f"{path}: column {missing[0]!r} is missing. Found {', '.join(names)}."
        raise DataError(found + _separator_hint(names, required))
    return frame


def _separator_hint(names: Sequence[str], required: tuple[str, ...]) -> str:
    """The separator that would find every column in a header read as a single name."""
    for separator in SEPARATORS:
        if len(names) == 1 and set(required) <= set(names[0].split(separator)):
            return f" Its columns seem to be separated by {separator!r}."
    return ""


def read_table(
    path: Path, types: Mapping[str, pl.DataType], optional: Mapping[str, pl.DataType] | None = None
) -> pl.DataFrame:
    """Read the named columns as the given types; columns of `optional` may be absent. Raises `DataError`."""
    lazy = scan_table(path, tuple(types))
    names = set(lazy.collect_schema().names())
    wanted = {**types, **{name: dtype for name, dtype in (optional or {}).items() if name in names}}
    try:
        frame = lazy.select(list(wanted)).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error
    return cast_table(frame, wanted, path)


def cast_table(frame: pl.DataFrame, types: Mapping[str, pl.DataType], path: Path, first_row: int = 1) -> pl.DataFrame:
    """Cast columns, and refuse the first value that does not fit its type. Null stays null."""
    for name, dtype in types.items():
        column = frame[name]
        if column.dtype == dtype:
            continue
        text = column.str.strip_chars() if column.dtype == pl.String else column
        cast = text.cast(dtype, strict=False)
        refuse_rows(
            frame, cast.is_null() & column.is_not_null(), name, f"a value of type {dtype} is expected", path, first_row
        )
        frame = frame.with_columns(cast)
    return frame


def refuse_rows(
    frame: pl.DataFrame, bad: pl.Series | pl.Expr, column: str, rule: str, path: Path, first_row: int = 1
) -> None:
    """Raise `DataError` for the first row where `bad` holds, with the value of `column` there. Null is not bad."""
    mask = (frame.select(bad).to_series() if isinstance(bad, pl.Expr) else bad).fill_null(False)
    if mask.any():
        row = int(mask.arg_true()[0])
        value = frame[column][row]
        raise DataError(f"{path}, row {row + first_row}, column {column!r}: {rule}. Found {value!r}.")


def first_line(error: Exception) -> str:
    """First line of an error's message."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
