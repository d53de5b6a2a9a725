"""Reading somebody else's file: find it, check its columns, and name file, row and value of whatever is wrong.

Rows are counted from 1, below the header.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from genco.errors import DataError

TABLE_SUFFIXES = (".parquet", ".csv")
SEPARATORS = (",", ";", "\t", "|")
SHOWN_NAMES, SHOWN_LETTERS, SHOWN_VALUE, HEADER_BYTES = 30, 60, 200, 65_536


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
    """Open a CSV (UTF-8, every column as text) or Parquet file.

    Raises `DataError` if it is unreadable, a column is missing, or a row of a CSV has more values than the header.
    """
    is_parquet = path.suffix.lower() == ".parquet"
    try:
        if not is_parquet:
            _refuse_other_encodings(path)
        frame = pl.scan_parquet(path) if is_parquet else pl.scan_csv(path, infer_schema=False, separator=separator)
        names = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error
    missing = [name for name in required if name not in names]
    if missing:
        found = f"{path}: column {missing[0]!r} is missing. Found {names_found(names)}."
        raise DataError(found + separator_hint(names, required))
    if not is_parquet:
        _refuse_broken_rows(frame, path, separator, len(names))
    return frame


def names_found(names: Sequence[str]) -> str:
    """Column names for a message, shortened where there are many or long ones."""
    shown = [name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}..." for name in names[:SHOWN_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def separator_hint(names: Sequence[str], required: Sequence[str]) -> str:
    """The separator that would find every column in a header read as a single name."""
    for separator in SEPARATORS:
        if len(names) == 1 and set(required) <= set(names[0].split(separator)):
            return f" Its columns seem to be separated by {separator!r}."
    return ""


def _refuse_other_encodings(path: Path) -> None:
    """Raise `DataError` unless the header is UTF-8: in UTF-16 every name would seem to be missing."""
    with path.open("rb") as file:
        header = file.readline(HEADER_BYTES)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(header)
    except UnicodeDecodeError as error:
        is_utf_16 = header[:2] in (b"\xff\xfe", b"\xfe\xff")
        found = "UTF-16" if is_utf_16 else f"byte {header[error.start]:#04x} in the header"
        raise DataError(f"{path}: a CSV in UTF-8 is expected. Found {found}.") from error
    if "\0" in text:
        raise DataError(f"{path}: a CSV in UTF-8 is expected. Found a zero byte in the header.")


def _refuse_broken_rows(frame: pl.LazyFrame, path: Path, separator: str, num_columns: int) -> None:
    """Read every value once: a row that is too long would go unseen where only some columns are wanted."""
    try:
        frame.select(pl.all().count()).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        where = _broken_row(path, separator, num_columns)
        raise DataError(where or f"{path}: cannot be read as a table. {first_line(error)}") from error


def _broken_row(path: Path, separator: str, num_columns: int) -> str | None:
    """A message on the first row that is not UTF-8 or too long, if such a row can be found."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for row, values in enumerate(csv.reader(file, delimiter=separator)):
                foreign = [value for value in values if not _is_utf_8(value)]
                if foreign:
                    return f"{path}, row {row}: a text in UTF-8 is expected. Found {foreign[0][:SHOWN_LETTERS]!r}."
                if len(values) > num_columns:
                    rule = (
                        f"at most {num_columns} values are expected, one a column (a text with {separator!r} in quotes)"
                    )
                    return f"{path}, row {row}: {rule}. Found {len(values)}."
    except (OSError, csv.Error):
        pass
    return None


def _is_utf_8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


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
        cast, rule = _cast(column, dtype), f"{_kind(dtype)} is expected"
        refuse_rows(frame, cast.is_null() & column.is_not_null(), name, rule, path, first_row)
        frame = frame.with_columns(cast)
    return frame


def _cast(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Null where the value does not fit; a number with a fraction is no whole number."""
    text = column.str.strip_chars() if column.dtype == pl.String else column
    try:
        cast = text.cast(dtype, strict=False)
    except pl.exceptions.PolarsError:
        return pl.Series(column.name, [None] * len(column), dtype=dtype)
    if dtype.is_integer() and column.dtype.is_float():
        cast = cast.set(cast.cast(pl.Float64) != column.cast(pl.Float64), None)
    return cast


def _kind(dtype: pl.DataType) -> str:
    return "a whole number" if dtype.is_integer() else "a number" if dtype.is_float() else "a text"


def refuse_rows(
    frame: pl.DataFrame, bad: pl.Series | pl.Expr, column: str, rule: str, path: Path, first_row: int = 1
) -> None:
    """Raise `DataError` for the first row where `bad` holds, with the value of `column` there. Null is not bad."""
    mask = (frame.select(bad).to_series() if isinstance(bad, pl.Expr) else bad).fill_null(False)
    if mask.any():
        row = int(mask.arg_true()[0])
        value = frame[column][row]
        found = repr(value.to_list() if isinstance(value, pl.Series) else value)
        shown = found if len(found) <= SHOWN_VALUE else f"{found[:SHOWN_VALUE]}... ({len(found):,} characters)"
        raise DataError(f"{path}, row {row + first_row}, column {column!r}: {rule}. Found {shown}.")


def first_line(error: Exception) -> str:
    """First line of an error's message."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
