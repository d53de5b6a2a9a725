"""Effects that arms of many items share: which weights there are, and which of them each arm has.

    logit - base = level + item + own + pair + combination + sum over groups of own within the group

level: the same for all arms · own, pair, combination: of elements, pairs of elements and whole combinations, the same
for all items · groups: the values of every known field of the items (the items themselves where there is none); an
element may do better in one group than in another. Each of these is a block of weights with a variance of its own.

Weights that only the items of one cluster have (the items of one value of the field with most values; every item
without fields) meet those of other clusters only through the rest: `arrow_matrix` makes use of it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Ints = NDArray[np.int64]


class ArmEffects:
    """The weights of a table of arms. item: [arm] · elements: [arm, slot] · fields: [item, field].

    blocks: the weights of each block, which cover all in order · columns: the weights [arm, effect] whose sum, plus the
    base, is the arm's logit · cluster: [item] · shared, local: weights of several clusters, and of each cluster alone.
    """

    def __init__(self, item: NDArray[np.int32], elements: NDArray[np.int32], fields: NDArray[np.int32]) -> None:
        slots = range(elements.shape[1])
        named: dict[str, list[Ints]] = {
            "level": [np.zeros(len(item), dtype=np.int64)],
            "item": [_numbered(item)],
            "own": [_numbered(elements[:, slot]) for slot in slots],
            "pair": [_numbered(*elements.T[[a, b]]) for a, b in combinations(slots, 2)],
            "combination": [_numbered(*elements.T)],
        }
        groups = fields[item].T if fields.shape[1] else item[None]
        for number, group in enumerate(groups):
            named[f"group {number}"] = [_numbered(group, elements[:, slot]) for slot in slots]
        self.blocks: dict[str, slice] = {}
        self.num_weights, columns = 0, []
        for name, parts in named.items():
            start = self.num_weights
            for part in parts:
                columns.append(self.num_weights + part)
                self.num_weights += int(part.max()) + 1
            if parts:
                self.blocks[name] = slice(start, self.num_weights)
        self.columns: Ints = np.stack(columns, axis=1)
        widest = int(fields.max(axis=0).argmax()) if fields.shape[1] else -1
        self.cluster = _numbered(fields[:, widest] if fields.shape[1] else np.arange(len(fields), dtype=np.int32))
        self.shared, self.local = self._by_cluster(self.cluster[item])

    def _by_cluster(self, cluster: Ints) -> tuple[Ints, list[Ints]]:
        """cluster: [arm]. Shared weights, and those of each cluster."""
        lowest = np.full(self.num_weights, cluster.max() + 1)
        highest = np.full(self.num_weights, -1)
        spread = np.broadcast_to(cluster[:, None], self.columns.shape)
        np.minimum.at(lowest, self.columns, spread)
        np.maximum.at(highest, self.columns, spread)
        alone = lowest == highest
        local = [np.flatnonzero(alone & (lowest == number)) for number in range(int(cluster.max()) + 1)]
        return np.flatnonzero(~alone), local

    @cached_property
    def design(self) -> csr_matrix:
        """`columns` as a matrix of zeros and ones [arm, weight]."""
        num, effects = self.columns.shape
        return csr_matrix((np.ones(num * effects), self.columns.ravel(), np.arange(num + 1) * effects))


def _numbered(*keys: NDArray[np.int32]) -> Ints:
    """Number of each arm's value of `keys`, from 0."""
    _, number = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    return np.asarray(number.reshape(-1), dtype=np.int64)
