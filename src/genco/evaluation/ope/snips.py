"""Self-normalised inverse propensity scoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from genco.evaluation.ope.terms import Terms, importance_weight, ratio, terms


@dataclass(frozen=True)
class SNIPS:
    """sum of w r / sum of w, w = evaluation_prob / propensity (Swaminathan & Joachims 2015).

    Assumes what IPS does. Never leaves the range of the rewards and often varies less; biased by about 1 / effective
    sample size.
    """

    weighted_reward: float = 0.0
    weight: float = 0.0

    def terms(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> Terms:
        """Rows [row] as this estimator sees them; reward of one impression, count of impressions alike."""
        weight = importance_weight(propensity, evaluation_prob)
        return terms(weight * np.asarray(reward), weight, weight, count, weight)

    def update(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> SNIPS:
        """The record with these rows [row] added. Raises `DataError` for a propensity that is not positive."""
        return self + SNIPS(*self.terms(propensity, evaluation_prob, reward, count).sums)

    def __add__(self, other: SNIPS) -> SNIPS:
        return SNIPS(self.weighted_reward + other.weighted_reward, self.weight + other.weight)

    @property
    def value(self) -> float:
        """Expected reward of an impression. Raises `SupportError` where no row has any weight."""
        return ratio(self.weighted_reward, self.weight)
