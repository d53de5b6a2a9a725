"""Thompson sampling on a linear model of an arm's features: the machine of linear Thompson and of the tree peers.

Coefficients are least squares of clicks on features, from counts; a draw for every view is normal with that mean and
covariance `variance` times the inverse of the design matrix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import Floats, best_arms, mixed, uniform_arms
from genco.benchmarks.peers.counts import ArmCounts
from genco.benchmarks.peers.linear_bandit import LinearFit, fit_linear


class LinearSampler:
    """Shows the arm that scores highest under coefficients drawn for the view; `variance` 0 is greedy.

    features: [arm, feature] · ridge: added to the diagonal of the design matrix, 0 takes its pseudo-inverse ·
    explored: share of views shown a uniform arm. Uniform until the first update.
    """

    def __init__(
        self,
        arms: ArmTable,
        features: Floats,
        rng: np.random.Generator,
        *,
        ridge: float,
        variance: float,
        explored: float = 0.0,
    ) -> None:
        self._arms, self._features, self._rng = arms, features, rng
        self._ridge, self._variance, self._explored = ridge, variance, explored
        self._counts = ArmCounts(arms.num_arms)
        self.fit = LinearFit(np.zeros(features.shape[1]), np.zeros((features.shape[1], 0)))

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        uniform = uniform_arms(self._arms, items, self._rng)
        if self._counts.empty:
            return uniform
        return mixed(self._explored, uniform, best_arms(self._arms, items, self.drawn_scores), self._rng)

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._counts.add(arms, clicks)
        if not self._counts.empty:
            self.fit = fit_linear(self._features, self._counts, self._ridge)

    def drawn_scores(self, block: slice, views: int) -> Floats:
        """Scores of the arms of `block` under coefficients drawn for each view [view, arm]; greedy: [1, arm]."""
        features = self._features[block]
        if self._variance == 0:
            return (features @ self.fit.mean)[None]
        directions = self.fit.root.shape[1]
        noise = self._rng.standard_normal((views, directions)) @ (features @ self.fit.root).T
        return np.asarray(features @ self.fit.mean + np.sqrt(self._variance) * noise)
