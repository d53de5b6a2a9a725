"""What an estimator makes of each logged row, the checks all of them share, and the sums they keep.

The value of every estimator is a ratio of two sums over impressions, so shards add up and one interval serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genco.errors import ConfigError, DataError, SupportError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """Per row [row]: the value is sum(count * numerator) / sum(count * denominator).

    weight: importance weight before any clipping, by which support is judged; 1 where an estimator does not weigh ·
    count: impressions that are alike · per_reward: what one more unit of reward adds to the numerator.
    """

    numerator: Floats
    denominator: Floats
    weight: Floats
    count: Floats
    per_reward: Floats

    @property
    def sums(self) -> tuple[float, float]:
        """Sums of numerators and of denominators over impressions."""
        return float(self.count @ self.numerator), float(self.count @ self.denominator)


def terms(
    numerator: ArrayLike,
    denominator: ArrayLike = 1.0,
    weight: ArrayLike = 1.0,
    count: ArrayLike | None = None,
    per_reward: ArrayLike = 0.0,
) -> Terms:
    """`Terms` of columns [row]; what is one number is the same in every row. count: 1 by default.

    Raises `DataError` for a number that is not finite or a count that is negative.
    """
    shape = np.shape(numerator)
    count = 1.0 if count is None else count
    columns = [_column(values, shape) for values in (numerator, denominator, weight, count, per_reward)]
    for name, values in zip(Terms.__dataclass_fields__, columns, strict=True):
        if not np.isfinite(values).all():
            raise DataError(f"The {name} of every row should be finite. Found {values[~np.isfinite(values)][0]}.")
    if (columns[3] < 0).any():
        raise DataError(f"Parameter `count` should not be negative. Found {columns[3].min():g}.")
    return Terms(*columns)


def importance_weight(propensity: ArrayLike, evaluation_prob: ArrayLike) -> Floats:
    """evaluation_prob / propensity, both of one shape.

    Raises `DataError` for a propensity outside (0, 1], naming the smallest or largest found, or an evaluation
    probability that is negative.
    """
    logged, evaluated = np.asarray(propensity, dtype=np.float64), np.asarray(evaluation_prob, dtype=np.float64)
    if logged.size and not logged.min() > 0:
        raise DataError(f"Parameter `propensity` should be positive. The smallest found is {np.min(logged):g}.")
    if logged.size and logged.max() > 1 + 1e-6:
        raise DataError(f"Parameter `propensity` should be at most 1. The largest found is {logged.max():g}.")
    if evaluated.size and not evaluated.min() >= 0:
        raise DataError(f"Parameter `evaluation_prob` should not be negative. Found {np.min(evaluated):g}.")
    return evaluated / logged


def ratio(numerator: float, denominator: float) -> float:
    """Value of the two sums. Raises `SupportError` for a denominator of zero, as an empty log has."""
    if denominator == 0:
        raise SupportError("At least one impression of some weight is expected. Found none: there is no value.")
    return numerator / denominator


def positive_limit(limit: float) -> None:
    """Raise `ConfigError` unless the limit on weights is positive."""
    if not limit > 0:
        raise ConfigError(f"Parameter `limit` should be positive. Found `limit = {limit}`.")


def same_limit(one: float, other: float) -> float:
    """The limit of two records to be added. Raises `ConfigError` where they differ."""
    if one != other:
        raise ConfigError(f"Records add up only where `limit` is the same. Found {one:g} and {other:g}.")
    return one


def _column(values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    return np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
