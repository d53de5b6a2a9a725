"""From ids to catalogue rows, many at a time."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

UNKNOWN = -2
_TABLE_SPACE = 8


class IdIndex:
    """Looks up distinct ids: about 60 ns an id, against 400 ns of a dictionary whose strings lie all over memory.

    A table holds one row per value of the id's leading hash bits; what it gives is compared with the id itself. Ids
    that lost their place in the table to another, and unknown ones, go through a dictionary.
    """

    def __init__(self, ids: pl.Series) -> None:
        self._ids = ids.cast(pl.String)
        bits = max(1, (len(ids) * _TABLE_SPACE - 1).bit_length())
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, dtype=np.int32)
        self._table[self._places(self._ids)] = np.arange(len(ids), dtype=np.int32)

    def rows(self, ids: pl.Series) -> NDArray[np.int32]:
        """Row of each id, `UNKNOWN` where there is none. ids: texts without null."""
        if not len(ids) or not len(self._ids):
            return np.full(len(ids), UNKNOWN, dtype=np.int32)
        rows = self._table[self._places(ids)]
        wrong = (self._ids.gather(rows) != ids).arg_true().to_numpy()
        rows[wrong] = [self._dictionary.get(name, UNKNOWN) for name in ids.gather(wrong).to_list()]
        return rows

    def _places(self, ids: pl.Series) -> NDArray[np.uint64]:
        return np.asarray(ids.hash().to_numpy() >> self._shift, dtype=np.uint64)

    @cached_property
    def _dictionary(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._ids.to_list())}
