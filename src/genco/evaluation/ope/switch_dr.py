"""The switch estimator: doubly robust where weights are small, the model alone where they are large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from genco.evaluation.ope.terms import Terms, importance_weight, positive_limit, ratio, same_limit, terms


@dataclass(frozen=True)
class SwitchDR:
    """mean of expected + [w <= limit] w (r - predicted) (Wang, Agarwal & Dudík 2017, section 3).

    predicted, expected: as in `DoublyRobust`, which it is for a large limit; `DirectMethod` for a small one. Biased by
    the model's error where weights are above the limit.
    """

    limit: float = 10.0
    total: float = 0.0
    num_impressions: float = 0.0

    def __post_init__(self) -> None:
        positive_limit(self.limit)

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
        kept = np.where(weight <= self.limit, weight, 0.0)
        correction = kept * (np.asarray(reward, dtype=np.float64) - np.asarray(predicted))
        return terms(np.asarray(expected) + correction, 1.0, weight, count, kept)

    def update(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        predicted: ArrayLike,
        expected: ArrayLike,
        count: ArrayLike | None = None,
    ) -> SwitchDR:
        """The record with these rows [row] added. Raises `DataError` for a propensity that is not positive."""
        added = self.terms(propensity, evaluation_prob, reward, predicted, expected, count)
        return self + SwitchDR(self.limit, *added.sums)

    def __add__(self, other: SwitchDR) -> SwitchDR:
        limit = same_limit(self.limit, other.limit)
        return SwitchDR(limit, self.total + other.total, self.num_impressions + other.num_impressions)

    @property
    def value(self) -> float:
        """Expected reward of an impression. Raises `SupportError` for an empty log."""
        return ratio(self.total, self.num_impressions)
