"""Marginals of the logging policy: how often a product's log shows each element in each slot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]


@dataclass(frozen=True)
class SlotShares:
    """codes: distinct (product, slot, element), ascending · count: impressions of each; shards add up."""

    num_slots: int
    num_elements: int
    codes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    count: Floats = field(default_factory=lambda: np.zeros(0))

    def update(self, product: Rows, combination: Rows, num_impressions: NDArray[np.floating]) -> SlotShares:
        """The record with rows added, all [row] but combination [row, slot]; -1 = empty."""
        counts = np.repeat(np.asarray(num_impressions, dtype=np.float64), self.num_slots)
        codes, at = np.unique(self._codes(product, combination).ravel(), return_inverse=True)
        return self + replace(self, codes=codes, count=_sums(at, counts, len(codes)))

    def __add__(self, other: SlotShares) -> SlotShares:
        codes, at = np.unique(np.concatenate([self.codes, other.codes]), return_inverse=True)
        count = np.concatenate([self.count, other.count])
        return replace(self, codes=codes, count=_sums(at, count, len(codes)))

    def of(self, product: Rows, combination: Rows) -> tuple[Floats, Floats]:
        """Share [row, slot] of the product's impressions in which the slot shows the element, and their number."""
        shown = self._look_up(self._codes(product, combination))
        products = self.codes // (self.num_slots * (self.num_elements + 1))
        total = _sums(products, self.count, int(product.max(initial=0)) + 1) / self.num_slots
        return shown / np.maximum(total[product], 1e-300)[:, None], shown

    def _codes(self, product: Rows, combination: Rows) -> NDArray[np.int64]:
        slots = product.astype(np.int64)[:, None] * self.num_slots + np.arange(self.num_slots)
        return np.asarray(slots * (self.num_elements + 1) + np.where(combination < 0, self.num_elements, combination))

    def _look_up(self, codes: NDArray[np.int64]) -> Floats:
        if not len(self.codes):
            return np.zeros(codes.shape)
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[at] == codes, self.count[at], 0.0)


def _sums(at: NDArray[np.int64], values: Floats, num: int) -> Floats:
    return np.asarray(np.bincount(at, weights=values, minlength=num), dtype=np.float64)


def dependence(shares: Floats, shown: Floats, propensity: Floats) -> float:
    """How far propensities [row] are from the product of slot shares [row, slot]: root mean square of the log ratio.

    What counting errors explain (1 / shown, summed over slots) is taken off. 0 where slots are filled independently.
    """
    distance = np.log(shares).sum(axis=1) - np.log(propensity)
    return float(np.sqrt(max(float((distance**2).mean() - (1 / shown).sum(axis=1).mean()), 0.0)))
