"""Epsilon-greedy with one click rate per combination: nothing is shared between combinations.

Source: Sutton and Barto, Reinforcement Learning, 2nd edition, section 2.4; `EGreedy` of the AES code (epsilon 0.1).
Uniform until the first update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import best_arms, mixed, uniform_arms
from genco.benchmarks.peers.counts import ArmCounts
from genco.rng import stream


class EpsilonGreedy:
    """Shows the combination with the best observed click rate, and a uniform one with probability `epsilon`."""

    def __init__(self, arms: ArmTable, seed: int, epsilon: float = 0.1) -> None:
        self._arms, self._epsilon = arms, epsilon
        self._rng = stream(seed, "epsilon greedy")
        self._counts = ArmCounts(arms.num_arms)

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        explored = uniform_arms(self._arms, items, self._rng)
        if self._counts.empty:
            return explored
        rate = self._counts.rate[None]
        greedy = best_arms(self._arms, items, lambda block, _: rate[:, block])
        return mixed(self._epsilon, explored, greedy, self._rng)

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._counts.add(arms, clicks)
