"""Inverse propensity scoring with clipped weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from genco.evaluation.ope.terms import Terms, importance_weight, positive_limit, ratio, same_limit, terms


@dataclass(frozen=True)
class ClippedIPS:
    """mean of min(w, limit) r, w = evaluation_prob / propensity (Ionides 2008; Bottou et al. 2013).

    Assumes what IPS does. Never above IPS for rewards that are not negative: what is clipped counts as no reward,
    so the value is a cautious one.
    """

    limit: float = 10.0
    weighted_reward: float = 0.0
    num_impressions: float = 0.0

    def __post_init__(self) -> None:
        positive_limit(self.limit)

    def terms(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> Terms:
        """Rows [row] as this estimator sees them; reward of one impression, count of impressions alike."""
        weight = importance_weight(propensity, evaluation_prob)
        clipped = np.minimum(weight, self.limit)
        return terms(clipped * np.asarray(reward), 1.0, weight, count, clipped)

    def update(
        self,
        propensity: ArrayLike,
        evaluation_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> ClippedIPS:
        """The record with these rows [row] added. Raises `DataError` for a propensity that is not positive."""
        return self + ClippedIPS(self.limit, *self.terms(propensity, evaluation_prob, reward, count).sums)

    def __add__(self, other: ClippedIPS) -> ClippedIPS:
        return ClippedIPS(
            same_limit(self.limit, other.limit),
            self.weighted_reward + other.weighted_reward,
            self.num_impressions + other.num_impressions,
        )

    @property
    def value(self) -> float:
        """Expected reward of an impression. Raises `SupportError` for an empty log."""
        return ratio(self.weighted_reward, self.num_impressions)
