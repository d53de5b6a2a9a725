"""Whether a log says enough of a policy: the effective sample size, and the mean weight, which should be 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genco.errors import SupportError
from genco.evaluation.ope.terms import Terms

SMALLEST_SIZE = 400.0
LARGEST_Z = 4.0


@dataclass(frozen=True)
class Support:
    """Sums of weights and of their squares over impressions, and how many impressions there are; shards add up."""

    weight: float = 0.0
    squared_weight: float = 0.0
    num_impressions: float = 0.0

    def update(self, terms: Terms) -> Support:
        """The record with an estimator's rows added."""
        count, weight = terms.count, terms.weight
        return self + Support(float(count @ weight), float(count @ (weight * weight)), float(count.sum()))

    def __add__(self, other: Support) -> Support:
        return Support(
            self.weight + other.weight,
            self.squared_weight + other.squared_weight,
            self.num_impressions + other.num_impressions,
        )

    @property
    def effective_size(self) -> float:
        """(sum of w)^2 / sum of w^2: impressions of equal weight that say as much (Kish 1965). 0 for no weight."""
        return self.weight**2 / self.squared_weight if self.squared_weight else 0.0

    @property
    def mean_weight(self) -> float:
        """Mean importance weight, 1 in expectation where the log can show all that the policy shows; NaN for no row."""
        return self.weight / self.num_impressions if self.num_impressions else float("nan")

    @property
    def mean_weight_error(self) -> float:
        """Standard error of the mean weight."""
        num = self.num_impressions
        return float(np.sqrt(max(self.squared_weight / num - self.mean_weight**2, 0.0) / num)) if num else float("nan")

    def check_size(self, floor: float = SMALLEST_SIZE) -> None:
        """Raise `SupportError` where the effective sample size is below `floor`."""
        if not self.effective_size >= floor:
            raise SupportError(
                f"The effective sample size should be at least {floor:g}. Found {self.effective_size:.1f} of "
                f"{self.num_impressions:,.0f} impressions: the log shows too little of what the policy would show."
            )

    def check_mean_weight(self, largest_z: float = LARGEST_Z) -> None:
        """Raise `SupportError` where the mean of unclipped weights is below 1 by more than `largest_z` standard errors.

        The policy then shows combinations that the log could not show, or the propensities are wrong. Too high a mean
        says the latter.
        """
        distance = self.mean_weight - 1.0
        if abs(distance) > largest_z * self.mean_weight_error + 1e-6:
            rows = f"these {self.num_impressions:,.0f} impressions"
            why = f"the policy shows what {rows} do not, or " if distance < 0 else ""
            raise SupportError(
                f"The mean importance weight should be 1. Found {self.mean_weight:.4g} with standard error "
                f"{self.mean_weight_error:.2g}: {why}the logged propensities are wrong."
            )
