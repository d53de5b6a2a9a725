"""Finds impression ids that occur twice, in bounded memory: hashes first, and the ids of suspects only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.storage.impression_files import ROW_GROUP_ROWS, ImpressionFile
from genco.storage.violation import Finding

COLUMN = "impression_id"
HASHES_IN_MEMORY = 1 << 24
Hashes = NDArray[np.uint64]


def duplicate_id_findings(files: Sequence[ImpressionFile], limit: int) -> tuple[list[Finding], int]:
    """Rows whose impression_id an earlier row has, of at most `limit` ids, and the number of all such rows.

    The log is read once for every `HASHES_IN_MEMORY` rows (8 bytes each are held), and once more if anything is found.
    Raises `DataError` naming a damaged file.
    """
    files = [file for file in files if COLUMN in file.schema.names]
    passes = max(1, -(-sum(file.num_rows for file in files) // HASHES_IN_MEMORY))
    suspects, num_rows = np.zeros(0, dtype=np.uint64), 0
    for number in range(passes):
        parts = [hashes[hashes % passes == number] for _, _, hashes in _hashed(files)]
        hashes = np.concatenate([suspects[:0], *parts])
        del parts
        hashes.sort()
        again = hashes[1:][hashes[1:] == hashes[:-1]]
        num_rows += len(again)
        suspects = np.concatenate([suspects, np.unique(again)[: limit - len(suspects)]])
    return (_locate(files, np.sort(suspects)), num_rows) if num_rows else ([], 0)


def _locate(files: Sequence[ImpressionFile], suspects: Hashes) -> list[Finding]:
    """Compare the ids themselves where the hash is a suspect."""
    seen: set[str] = set()
    found = []
    for file in files:
        rows, values = [], []
        for numbers, ids, hashes in _hashed([file]):
            suspect = np.flatnonzero(np.isin(hashes, suspects))
            for row, name in zip(numbers[suspect], ids.gather(suspect), strict=True):
                if name in seen:
                    rows.append(int(row))
                    values.append(name)
                seen.add(name)
        if rows:
            expected = "an id that no earlier row has is expected"
            found.append(Finding(str(file.path), COLUMN, "duplicate_impression_id", expected, np.array(rows), values))
    return found


def _hashed(files: Sequence[ImpressionFile]) -> Iterator[tuple[NDArray[np.int64], pl.Series, Hashes]]:
    """Yield (row numbers in the file, ids, their hashes) batch by batch, rows without an id left out."""
    for file in files:
        for numbers, batch in file.stream([COLUMN], [], ROW_GROUP_ROWS):
            ids = pl.Series(batch.column(COLUMN)).cast(pl.String)
            given = ids.is_not_null()
            ids = ids.filter(given)
            yield numbers[given.to_numpy()], ids, ids.hash().to_numpy()
