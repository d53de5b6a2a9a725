"""Empirical-likelihood intervals: the values that a reweighting of the log makes nearly as likely as the log itself.

Owen (1988) for means, here for the ratio of sums that every estimator is; Karampatziakis, Langford & Mineiro (2020) for
off-policy evaluation. The interval is as skewed as the data: rare rewards of large weight push it up, not down. Two
departures. The quantile is that of t^2, not of chi-squared, with the degrees of freedom that the variance estimate has
(Satterthwaite 1946): a few rewards of large weight make the variance uncertain, and chi-squared intervals too short.
And the distributions that compete with the log may hold, beside what it shows, a reward of a quarter of the largest
weight: Karampatziakis et al. allow one of the largest weight, Owen none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from genco.evaluation.ope.cells import Cells
from genco.evaluation.ope.interval import Interval, check_level
from genco.evaluation.ope.support import SMALLEST_SIZE, Support
from genco.evaluation.ope.terms import Terms, ratio

Floats = NDArray[np.float64]
TOLERANCE = 1e-10
PRECISION = 1e-4  # of an end, in standard errors
DOUBLINGS = 60
UNSEEN_WEIGHT = 0.25  # of the largest weight


@dataclass(frozen=True)
class EmpiricalLikelihood:
    """What an interval needs of an estimator's rows; shards add up.

    largest_weight: that a reward enters the numerator with, in any row · largest_reward: of one impression.
    """

    cells: Cells = field(default_factory=Cells)
    support: Support = field(default_factory=Support)
    largest_weight: float = 0.0
    largest_reward: float = 0.0

    def update(self, terms: Terms, reward: Floats) -> EmpiricalLikelihood:
        """The record with an estimator's rows added; reward: [row] of one impression, for `difference`."""
        shown = terms.count > 0
        added = EmpiricalLikelihood(
            Cells().update(terms, reward),
            Support().update(terms),
            float(terms.per_reward[shown].max(initial=0.0)),
            float(np.broadcast_to(reward, shown.shape)[shown].max(initial=0.0)),
        )
        return self + added

    def __add__(self, other: EmpiricalLikelihood) -> EmpiricalLikelihood:
        return EmpiricalLikelihood(
            self.cells + other.cells,
            self.support + other.support,
            max(self.largest_weight, other.largest_weight),
            max(self.largest_reward, other.largest_reward),
        )

    def value(self, level: float = 0.95, floor: float = SMALLEST_SIZE) -> Interval:
        """Interval of the value. Raises `SupportError` where the effective sample size is below `floor`."""
        self.support.check_size(floor)
        count, (numerator, denominator, _) = self.cells.count, self.cells.means
        point = ratio(float(count @ numerator), float(count @ denominator))
        return _interval(point, lambda value: numerator - value * denominator, count, self._unseen, level)

    def difference(self, level: float = 0.95, floor: float = SMALLEST_SIZE) -> Interval:
        """Interval of the value less the mean reward of the log itself. Raises as `value` does.

        Rows are compared with themselves: (numerator - V denominator) / mean denominator - (reward - mean reward), the
        influence of a row on the difference, in which V and the means stand for what they estimate.
        """
        self.support.check_size(floor)
        count, (numerator, denominator, reward) = self.cells.count, self.cells.means
        scale, base = float(count @ denominator / count.sum()), float(count @ reward / count.sum())
        point = ratio(float(count @ numerator), float(count @ denominator)) - base

        def influence(difference: float) -> Floats:
            return (numerator - (base + difference) * denominator) / scale - (reward - base)

        return _interval(point, influence, count, self._unseen / scale - (self.largest_reward - base), level)

    @property
    def _unseen(self) -> float:
        """What a large reward that did not happen would add to the sum of numerators."""
        return UNSEEN_WEIGHT * self.largest_weight * self.largest_reward


def _interval(
    point: float, function: Callable[[float], Floats], count: Floats, unseen: float, level: float
) -> Interval:
    """Values whose statistic is at most the quantile; function: value -> its estimating function [cell]."""
    check_level(level)
    values = function(point)
    error = float(np.sqrt(count @ (values * values)) / count.sum())
    if error <= TOLERANCE * max(1.0, abs(point)):
        return Interval(point, point)
    limit = float(stdtrit(degrees_of_freedom(values, count), (1 + level) / 2)) ** 2
    return Interval(*(_end(point, sign * error, function, count, unseen, limit) for sign in (-1.0, 1.0)))


def degrees_of_freedom(values: Floats, count: Floats) -> float:
    """2 n / (kurtosis - 1): of the chi-squared that varies as much as the variance estimate of `values` [cell].

    About n for normal values, about twice the number of rewards for rare ones of equal weight; at least 1.
    """
    num = float(count.sum())
    kurtosis = num * float(count @ values**4) / float(count @ values**2) ** 2
    return max(2 * num / max(kurtosis - 1, 2 / num), 1.0)


def _end(
    point: float, step: float, function: Callable[[float], Floats], count: Floats, unseen: float, limit: float
) -> float:
    """Where the statistic passes `limit`, going from `point` in steps of `step`."""
    inside, outside = point, point + 2 * step
    for _ in range(DOUBLINGS):
        if statistic(function(outside), count, unseen) > limit:
            break
        inside, outside = outside, outside + (outside - point)
    while abs(outside - inside) > PRECISION * abs(step):
        middle = (inside + outside) / 2
        if statistic(function(middle), count, unseen) > limit:
            outside = middle
        else:
            inside = middle
    return (inside + outside) / 2


def statistic(values: Floats, count: Floats, unseen: float = 0.0) -> float:
    """-2 log of the likelihood ratio of mean zero: the largest 2 sum(count log(1 + t values)) over t.

    values, count: [cell] · unseen: a value that competing distributions may take beside those of the log, which keeps
    1 + t unseen from being negative. Infinite where all values lie on one side of zero. Chi-squared with one degree of
    freedom.
    """
    low, high = float(values.min()), max(float(values.max()), unseen)
    if low >= 0 or high <= 0:
        return 0.0 if low == values.max() == 0 else float("inf")
    left, right = -1 / high, -1 / low  # 1 + t values stays positive strictly between
    t = 0.0
    for _ in range(100):
        share = values / (1 + t * values)
        slope, curve = float(count @ share), -float(count @ (share * share))
        if slope > 0:
            left = t
        else:
            right = t
        proposed = t - slope / curve
        proposed = proposed if left < proposed < right else (left + right) / 2
        if abs(proposed - t) <= TOLERANCE * (right - left + abs(t)):
            break
        t = proposed
    return 2 * float(count @ np.log1p(t * values))
