"""Independent elements, epsilon-greedy: every slot takes the element with the best click rate of its own.

Source: `IndEgreedy` of Chen et al., Efficient Optimal Selection for Composited Advertising Creatives with Tree
Structure, AAAI 2021, a baseline there (epsilon 0.1). Slots are filled in order; where no listed combination of the
item has the best element beside those chosen so far, a uniform one of the legal elements takes its place, as there.
Departures: elements are counted over all items together. Uniform until the first update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import Floats, arms_by_item, mixed, uniform_arms
from genco.benchmarks.peers.counts import ArmCounts
from genco.rng import stream


class IndependentGreedy:
    """Slot by slot the element with the best observed click rate; uniform with probability `epsilon`."""

    def __init__(self, arms: ArmTable, seed: int, epsilon: float = 0.1) -> None:
        self._arms, self._epsilon = arms, epsilon
        self._rng = stream(seed, "independent greedy")
        self._counts = ArmCounts(arms.num_arms)

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        explored = uniform_arms(self._arms, items, self._rng)
        if self._counts.empty:
            return explored
        agreement = self._agreement()
        greedy = arms_by_item(self._arms, items, lambda block, views: self._pick(agreement[block], views))
        return mixed(self._epsilon, explored, greedy, self._rng)

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._counts.add(arms, clicks)

    def _element_rates(self) -> list[Floats]:
        """Clicks per view of every element, by slot; zero where never shown."""
        counted = []
        for slot, number in enumerate(self._arms.num_elements):
            held = self._arms.elements[:, slot]
            views = np.bincount(held, weights=self._counts.views, minlength=number)
            counted.append(np.bincount(held, weights=self._counts.clicks, minlength=number) / np.maximum(views, 1.0))
        return counted

    def _agreement(self) -> NDArray[np.int64]:
        """How far an arm agrees with the best element of every slot, earlier slots first [arm]."""
        score = np.zeros(self._arms.num_arms, dtype=np.int64)
        for held, rates in zip(self._arms.elements.T, self._element_rates(), strict=True):
            score = 2 * score + (held == rates.argmax())
        return score

    def _pick(self, agreement: NDArray[np.int64], views: int) -> NDArray[np.int64]:
        return self._rng.choice(np.flatnonzero(agreement == agreement.max()), views)
