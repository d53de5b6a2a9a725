"""A log squeezed into cells of nearly equal rows: bounded memory however long the log, sums exact, shards add up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genco.evaluation.ope.terms import Terms

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
CELLS_PER_E = 100  # neighbouring cells differ by 1%
SMALLEST, LARGEST = 1e-9, 1e25  # smaller numbers count as zero, larger ones share cells
BITS = 14


@dataclass(frozen=True)
class Cells:
    """codes: [cell] cell of a logarithmic grid over numerator, denominator and reward, distinct and ascending · sums:
    [cell, 4] of count, numerator, denominator and reward over the impressions of the cell.
    """

    codes: Codes = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    sums: Floats = field(default_factory=lambda: np.zeros((0, 4)))

    def update(self, terms: Terms, reward: Floats) -> Cells:
        """The record with an estimator's rows added. reward: [row] of one impression."""
        shown = terms.count > 0
        columns = np.stack([terms.numerator, terms.denominator, np.broadcast_to(reward, shown.shape)], axis=1)[shown]
        count = terms.count[shown, None]
        return self + Cells(_codes(columns), np.concatenate([count, count * columns], axis=1))

    def __add__(self, other: Cells) -> Cells:
        codes, cell = np.unique(np.concatenate([self.codes, other.codes]), return_inverse=True)
        sums = np.concatenate([self.sums, other.sums])
        totals = [np.bincount(cell, weights=column, minlength=len(codes)) for column in sums.T]
        return Cells(codes, np.stack(totals, axis=1))

    @property
    def count(self) -> Floats:
        """Impressions [cell]."""
        return np.asarray(self.sums[:, 0])

    @property
    def means(self) -> tuple[Floats, Floats, Floats]:
        """Mean numerator, denominator and reward [cell]."""
        numerator, denominator, reward = (self.sums[:, 1:] / self.sums[:, :1]).T
        return numerator, denominator, reward


def _codes(values: Floats) -> Codes:
    """Sign and logarithm of the three columns, packed into one number."""
    size = np.clip(np.abs(values), SMALLEST, LARGEST) / SMALLEST
    grid = (np.sign(values) * np.rint(CELLS_PER_E * np.log(size))).astype(np.int64) + (1 << (BITS - 1))
    return np.asarray((grid[:, 0] << (2 * BITS)) + (grid[:, 1] << BITS) + grid[:, 2])
