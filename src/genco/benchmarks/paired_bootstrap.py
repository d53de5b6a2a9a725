"""The difference of two methods on the same cases, with a standard error by resampling whole groups of cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError
from genco.rng import stream

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class PairedDifference:
    """Mean of first minus second over all cases, its standard error and a 95% interval."""

    difference: float
    error: float
    low: float
    high: float


def paired_bootstrap(
    first: Floats, second: Floats, group: NDArray[np.integer], num_draws: int = 2_000, seed: int = 0
) -> PairedDifference:
    """Resample groups with replacement. first, second: score of each case [case] · group: [case].

    Raises `DataError` for no case.
    """
    if not len(first):
        raise DataError("Parameter `first` should hold at least one case. Found none.")
    _, number = np.unique(group, return_inverse=True)
    number = number.ravel()
    total = np.bincount(number, weights=np.asarray(first, dtype=np.float64) - second)
    cases = np.bincount(number)
    rng = stream(seed, "paired bootstrap")
    drawn = rng.integers(len(total), size=(num_draws, len(total)))
    means = total[drawn].sum(axis=1) / cases[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return PairedDifference(float(total.sum() / cases.sum()), float(means.std(ddof=1)), float(low), float(high))
