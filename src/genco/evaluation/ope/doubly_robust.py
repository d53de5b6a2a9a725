"""The doubly robust estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from genco.evaluation.ope.terms import Terms, importance_weight, ratio, terms


@dataclass(frozen=True)
class DoublyRobust:
    """mean of expected + w (r - predicted), w = evaluation_prob / propensity (Dudík, Langford & Li 2011).

    predicted: q(x, y) of what was shown · expected: sum_y pi(y | x) q(x, y). Unbiased if the propensities are right and
    q was fitted on other rows; a good q lowers the variance.
    """

    total: float = 0.0
    num_impressions: float = 0.0

    def terms(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        predicted: ArrayLike,
        expected: ArrayLike,
        count: ArrayLike | None = None,
    ) -> Terms:
        """Rows [row] as this estimator sees them; rewards are of one impression, count of impressions alike."""
        weight = importance_weight(propensity, evaluation_prob)
        correction = weight * (np.asarray(reward, dtype=np.float64) - np.asarray(predicted))
        return terms(np.asarray(expected) + correction, 1.0, weight, count, weight)

    def update(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        predicted: ArrayLike,
        expected: ArrayLike,
        count: ArrayLike | None = None,
    ) -> DoublyRobust:
        """The record with these rows [row] added. Raises `DataError` for a propensity that is not positive."""
        added = self.terms(propensity, evaluation_prob, reward, predicted, expected, count)
        return self + DoublyRobust(*added.sums)

    def __add__(self, other: DoublyRobust) -> DoublyRobust:
        return DoublyRobust(self.total + other.total, self.num_impressions + other.num_impressions)

    @property
    def value(self) -> float:
        """Expected reward of an impression. Raises `SupportError` for an empty log."""
        return ratio(self.total, self.num_impressions)
