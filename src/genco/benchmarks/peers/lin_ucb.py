"""LinUCB over one-hot elements and item fields.

Source: Li, Chu, Langford, Schapire, A Contextual-Bandit Approach to Personalized News Article Recommendation, WWW
2010, Algorithm 1 with one set of coefficients for all arms, as in the AES code (`LinUCB`: ridge 0.01, alpha 0.005).
Departures: the ridge is 0.01 instead of 1, as there. Uniform until the first update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import best_arms, uniform_arms
from genco.benchmarks.peers.counts import ArmCounts
from genco.benchmarks.peers.features import element_features, field_features
from genco.benchmarks.peers.linear_bandit import fit_linear
from genco.rng import stream


class LinUcb:
    """Shows the arm with the highest x'theta + alpha sqrt(x'A^-1 x)."""

    def __init__(self, arms: ArmTable, seed: int, alpha: float = 0.005, ridge: float = 0.01) -> None:
        self._arms, self._alpha, self._ridge = arms, alpha, ridge
        self._features = np.hstack([element_features(arms), field_features(arms)])
        self._rng = stream(seed, "lin ucb")
        self._counts = ArmCounts(arms.num_arms)
        self.bound = np.zeros(arms.num_arms)

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        if self._counts.empty:
            return uniform_arms(self._arms, items, self._rng)
        return best_arms(self._arms, items, lambda block, _: self.bound[None, block])

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._counts.add(arms, clicks)
        fit = fit_linear(self._features, self._counts, self._ridge)
        width = np.sqrt(((self._features @ fit.root) ** 2).sum(axis=1))
        self.bound = self._features @ fit.mean + self._alpha * width
