"""The direct method: what a reward model expects of the policy."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from genco.evaluation.ope.terms import Terms, ratio, terms


@dataclass(frozen=True)
class DirectMethod:
    """mean of expected = sum_y pi(y | x) q(x, y) over logged requests x (Beygelzimer & Langford 2009).

    Assumes that the reward model q is right on what the policy shows; looks at no reward and no propensity. A policy
    made to please q is flattered by it.
    """

    expected_reward: float = 0.0
    num_impressions: float = 0.0

    def terms(self, expected: ArrayLike, count: ArrayLike | None = None) -> Terms:
        """Rows [row] as this estimator sees them; expected reward of one impression, count of impressions alike."""
        return terms(expected, count=count)

    def update(self, expected: ArrayLike, count: ArrayLike | None = None) -> DirectMethod:
        """The record with these rows [row] added."""
        return self + DirectMethod(*self.terms(expected, count).sums)

    def __add__(self, other: DirectMethod) -> DirectMethod:
        return DirectMethod(self.expected_reward + other.expected_reward, self.num_impressions + other.num_impressions)

    @property
    def value(self) -> float:
        """Expected reward of an impression. Raises `SupportError` for an empty log."""
        return ratio(self.expected_reward, self.num_impressions)
