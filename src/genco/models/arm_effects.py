"""Effects that arms of many items share: which weights there are, and which of them each arm has.

    logit - base = item + own + pair + combination + sum over groups of own within the group

own, pair, combination: of elements, pairs of elements and whole combinations, the same for all items · groups: the
values of every known field of the items (the items themselves where there is none); an element may do better in one
group than in another. One block of weights per line and slot, with a variance of its own, so `evidence` learns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from genco.runtime.terms import Block

Ints = NDArray[np.int64]
Weights = NDArray[np.float64]


class ArmEffects:
    """The weights of a table of arms. item: [arm] · elements: [arm, slot] · fields: [item, field]."""

    def __init__(self, item: NDArray[np.int32], elements: NDArray[np.int32], fields: NDArray[np.int32]) -> None:
        slots = range(elements.shape[1])
        named: list[tuple[str, list[Ints]]] = [
            ("item", [_numbered(item)]),
            ("own", [_numbered(elements[:, slot]) for slot in slots]),
            ("pair", [_numbered(*elements.T[[a, b]]) for a, b in combinations(slots, 2)]),
            ("combination", [_numbered(*elements.T)]),
        ]
        groups = fields[item].T if fields.shape[1] else item[None]
        named += [
            (f"group {g}", [_numbered(group, elements[:, slot]) for slot in slots]) for g, group in enumerate(groups)
        ]
        self._columns, blocks = [], []
        stop = 0
        for name, parts in named:
            start = stop
            for part in parts:
                self._columns.append(stop + part)
                stop += int(part.max()) + 1
            if stop > start:
                blocks.append(Block(name, name, start, stop, (1, stop - start), ()))
        self.blocks = tuple(blocks)
        self.num_weights = stop

    @cached_property
    def columns(self) -> Ints:
        """The weights [arm, effect] whose sum, plus the base, is the arm's logit."""
        return np.stack(self._columns, axis=1)

    @cached_property
    def design(self) -> csr_matrix:
        """`columns` as a matrix of zeros and ones [arm, weight]."""
        num, effects = self.columns.shape
        return csr_matrix((np.ones(num * effects), self.columns.ravel(), np.arange(num + 1) * effects))

    def prior_shape(self, spectrum: Sequence[NDArray[np.float32]], exponent: float) -> Weights:
        """All weights of a block have the same prior variance."""
        return np.ones(self.num_weights)


def _numbered(*keys: NDArray[np.int32]) -> Ints:
    """Number of each arm's value of `keys`, from 0."""
    _, number = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    return np.asarray(number.reshape(-1), dtype=np.int64)
