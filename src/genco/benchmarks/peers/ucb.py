"""UCB1 with one click rate per combination: nothing is shared between combinations.

Source: Auer, Cesa-Bianchi, Fischer, Finite-time Analysis of the Multiarmed Bandit Problem, Machine Learning 47, 2002,
figure 1. Departures: the width is multiplied by 0.03, as `UCB` of the AES code does for click rates near 0.02; a bound
is renewed only in updates that show its combination, as there; combinations never shown come first, since their bound
is infinite. Uniform until the first update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import best_arms, uniform_arms
from genco.benchmarks.peers.counts import ArmCounts
from genco.rng import stream


class Ucb:
    """Shows the combination with the highest rate + width sqrt(2 ln(all views) / its views)."""

    def __init__(self, arms: ArmTable, seed: int, width: float = 0.03) -> None:
        self._arms, self._width = arms, width
        self._rng = stream(seed, "ucb")
        self._counts = ArmCounts(arms.num_arms)
        self.bound = np.full(arms.num_arms, np.inf)

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        if self._counts.empty:
            return uniform_arms(self._arms, items, self._rng)
        return best_arms(self._arms, items, lambda block, _: self.bound[None, block])

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._counts.add(arms, clicks)
        shown = np.unique(arms)
        width = np.sqrt(2 * np.log(self._counts.views.sum()) / self._counts.views[shown]) if len(shown) else 0.0
        self.bound[shown] = self._counts.rate[shown] + self._width * width
