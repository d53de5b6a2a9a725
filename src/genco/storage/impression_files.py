"""The Parquet files of a log: find them, read their footers, stream their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genco.errors import DataError

IMPRESSIONS_FOLDER = "impressions"
ROW_GROUP_ROWS = 131_072


@dataclass(frozen=True)
class ImpressionFile:
    """One Parquet file of the log, by its footer. num_bytes: of all columns, before compression."""

    path: Path
    num_rows: int
    num_bytes: int
    schema: pa.Schema

    def stream(
        self, columns: Sequence[str], texts: Sequence[str], batch_rows: int
    ) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        """Yield (row numbers in the file, rows) in order; columns of `texts` arrive dictionary-encoded.

        Raises `DataError` naming the file if it is damaged.
        """
        first_row = 0
        try:
            with pq.ParquetFile(self.path, read_dictionary=list(texts)) as file:
                for rows in file.iter_batches(batch_rows, columns=list(columns)):
                    rows.validate(full=True)
                    yield np.arange(first_row, first_row + rows.num_rows), rows
                    first_row += rows.num_rows
        except (pa.ArrowException, OSError) as error:
            raise damaged(self.path, error) from error


def find_impression_files(folder: Path) -> tuple[ImpressionFile, ...]:
    """Footers of the log's files. Raises `DataError` naming the first that is not a complete Parquet file."""
    return tuple(read_footer(path) for path in list_impression_paths(folder))


def list_impression_paths(folder: Path) -> list[Path]:
    """Paths of `folder/impressions/**/*.parquet` in order, hidden ones and those that begin with `_` left out."""
    root = folder / IMPRESSIONS_FOLDER
    return [
        path
        for path in sorted(root.rglob("*.parquet"))
        if not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)
    ]


def read_footer(path: Path) -> ImpressionFile:
    """Rows, size and schema of one Parquet file, without reading its data."""
    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
            found = ImpressionFile(path, file.metadata.num_rows, sum(groups), file.schema_arrow)
            if found.num_rows < 0 or not all(isinstance(name, str) for name in found.schema.names):
                raise ValueError("Its footer is not sound.")
            return found
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    """The error for a Parquet file that is absent, truncated or damaged."""
    if not path.exists():
        return DataError(f"{path}: the file is missing.")
    lines = str(error).strip().splitlines()
    return DataError(f"{path}: a complete Parquet file is expected. {lines[0] if lines else type(error).__name__}")
