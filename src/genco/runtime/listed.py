"""Legal combinations given as a list: a prefix tree of sorted keys, exact by construction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Listed:
    """The legal combinations are the rows of `only`.

    sizes: number of candidates of each slot · only: [num, slot] positions, distinct, in lexicographic order.
    """

    sizes: tuple[int, ...]
    only: Positions

    @cached_property
    def _edges(self) -> tuple[NDArray[np.int64], ...]:
        """Per slot the sorted keys `node * size + position`; an edge's index is its node in the next slot."""
        edges = []
        node = np.zeros(len(self.only), dtype=np.int64)
        for slot, size in enumerate(self.sizes):
            keys, node = np.unique(node * size + self.only[:, slot], return_inverse=True)
            edges.append(keys)
        return tuple(edges)

    def _nodes(self, prefix: Positions) -> NDArray[np.int64]:
        """Node [K] each prefix [K, c] leads to; -1 = none."""
        node = np.zeros(len(prefix), dtype=np.int64)
        for slot in range(prefix.shape[1]):
            keys = self._edges[slot]
            if not len(keys):
                return np.full(len(prefix), -1, dtype=np.int64)
            wanted = node * self.sizes[slot] + prefix[:, slot]
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            node = np.where((keys[at] == wanted) & (node >= 0), at, -1)
        return node

    def mask(self, prefix: Positions) -> Bools:
        """Candidates [K, n_c] of the next slot that some listed combination has after `prefix` [K, c]."""
        slot = prefix.shape[1]
        keys, size, node = self._edges[slot], self.sizes[slot], self._nodes(prefix)
        start = np.searchsorted(keys, node * size)
        num = np.searchsorted(keys, (node + 1) * size) - start
        num[node < 0] = 0
        row = np.repeat(np.arange(len(prefix)), num)
        edge = np.arange(len(row)) - np.repeat(np.cumsum(num) - num, num) + np.repeat(start, num)
        legal = np.zeros((len(prefix), size), dtype=bool)
        legal[row, keys[edge] - node[row] * size] = True
        return legal

    def is_legal(self, positions: Positions) -> Bools:
        """Whether each of `positions` [batch, slot] is listed."""
        return np.asarray(self._nodes(positions) >= 0)

    def neighbours(self, positions: Positions, slot: int) -> Bools:
        """Candidates [K, n_slot] that may stand in `slot` with the other slots of `positions` [K, slot] kept."""
        order, last = self._last[slot]
        return last.mask(positions[:, order[:-1]])

    @cached_property
    def _last(self) -> tuple[tuple[list[int], Listed], ...]:
        """Per slot the order of slots with it last, and the list in that order."""
        found = []
        for slot in range(len(self.sizes)):
            order = [c for c in range(len(self.sizes)) if c != slot] + [slot]
            found.append((order, Listed(tuple(self.sizes[c] for c in order), self.only[:, order])))
        return tuple(found)

    def restricted(self, slot: int, position: int) -> Listed:
        """The listed combinations that show candidate `position` in `slot`."""
        return Listed(self.sizes, self.only[self.only[:, slot] == position])
