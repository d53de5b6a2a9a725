"""The pseudo-inverse estimator for slates, where slots were logged independently of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from genco.errors import DataError
from genco.evaluation.ope.terms import Terms, importance_weight, ratio, terms


@dataclass(frozen=True)
class PseudoInverse:
    """mean of w r, w = 1 - K + sum over K slots of slot_prob / slot_propensity (Swaminathan et al. 2017, eq. 3).

    Assumes that the expected reward is a *sum* over slots of what each shows: under interactions between slots, or
    rewards that multiply, it is biased however long the log is. Also that the log filled slots independently given the
    product. In return only the slots' marginals need support, and weights do not multiply.
    """

    weighted_reward: float = 0.0
    num_impressions: float = 0.0

    def terms(
        self,
        slot_propensity: ArrayLike,
        slot_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> Terms:
        """Rows as this estimator sees them.

        slot_propensity, slot_prob: [row, slot] marginal probability of the element shown, under the logging and the
        evaluated policy · reward: [row] of one impression · count: [row] impressions alike.
        """
        weights = importance_weight(slot_propensity, slot_prob)
        if weights.ndim != 2 or weights.shape[1] < 1:
            raise DataError(f"Parameter `slot_propensity` should be [row, slot]. Found the shape {weights.shape}.")
        weight = weights.sum(axis=1) - (weights.shape[1] - 1)
        return terms(weight * np.asarray(reward), 1.0, weight, count, weight)

    def update(
        self,
        slot_propensity: ArrayLike,
        slot_prob: ArrayLike,
        reward: ArrayLike,
        count: ArrayLike | None = None,
    ) -> PseudoInverse:
        """The record with these rows added. Raises `DataError` for a propensity that is not positive."""
        return self + PseudoInverse(*self.terms(slot_propensity, slot_prob, reward, count).sums)

    def __add__(self, other: PseudoInverse) -> PseudoInverse:
        return PseudoInverse(self.weighted_reward + other.weighted_reward, self.num_impressions + other.num_impressions)

    @property
    def value(self) -> float:
        """Expected reward of an impression. Raises `SupportError` for an empty log."""
        return ratio(self.weighted_reward, self.num_impressions)
