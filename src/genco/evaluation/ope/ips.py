"""Inverse propensity scoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from genco.evaluation.ope.terms import Terms, importance_weight, ratio, terms


@dataclass(frozen=True)
class IPS:
    """mean of w r, w = evaluation_prob / propensity (Horvitz & Thompson 1952; Strehl et al. 2010).

    Assumes exact propensities, positive wherever the evaluated policy is. Unbiased; its variance grows with the
    weights.
    """

    weighted_reward: float = 0.0
    num_impressions: float = 0.0

    def terms(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> Terms:
        """Rows [row] as this estimator sees them; reward of one impression, count of impressions alike."""
        weight = importance_weight(propensity, evaluation_prob)
        return terms(weight * np.asarray(reward), 1.0, weight, count, weight)

    def update(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> IPS:
        """The record with these rows [row] added. Raises `DataError` for a propensity that is not positive."""
        return self + IPS(*self.terms(propensity, evaluation_prob, reward, count).sums)

    def __add__(self, other: IPS) -> IPS:
        return IPS(self.weighted_reward + other.weighted_reward, self.num_impressions + other.num_impressions)

    @property
    def value(self) -> float:
        """Expected reward of an impression. Raises `SupportError` for an empty log."""
        return ratio(self.weighted_reward, self.num_impressions)
