"""One page of a long list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Paging:
    """number: of the page, from 1 · of: pages · found: rows on all of them."""

    number: int
    of: int
    found: int
    size: int

    @property
    def first(self) -> int:
        """Position of the page's first row."""
        return (self.number - 1) * self.size


def paging(found: int, number: int, size: int) -> Paging:
    """The page asked for, or the last one."""
    pages = max(1, -(-found // size))
    return Paging(min(max(number, 1), pages), pages, found, size)


def sorted_rows(rows: NDArray[np.integer], values: NDArray[np.number], descending: bool) -> NDArray[np.integer]:
    """`rows` by their `values` [row], equal ones in their own order, NaN last."""
    keys = values[rows]
    return rows[np.argsort(-keys if descending else keys, kind="stable")]


def rates(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Clicks an impression [row] of [impressions and clicks, row], NaN of none."""
    found = np.full(counts.shape[1], np.nan)
    np.divide(counts[1], counts[0], out=found, where=counts[0] > 0)
    return found
