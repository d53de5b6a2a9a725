"""The Poisson bootstrap: every impression counts Poisson(1) times in every replicate, so shards add up.

Chamandy et al. (2012), "Estimating uncertainty for massive data streams". What a row counts is decided by a hash of its
row number, so neither order nor sharding changes the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from genco.errors import ConfigError, DataError
from genco.evaluation.ope.interval import Interval, check_level
from genco.evaluation.ope.support import SMALLEST_SIZE, Support
from genco.evaluation.ope.terms import Terms
from genco.rng import stable_hash

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
NUM_REPLICATES = 500
CHUNK_FLOATS = 1 << 21


@dataclass(frozen=True)
class PoissonBootstrap:
    """sums: [replicate, 4] of numerators, denominators, rewards, impressions · seed: equal seeds, equal intervals."""

    seed: int = 0
    sums: Floats = field(default_factory=lambda: np.zeros((NUM_REPLICATES, 4)))
    support: Support = field(default_factory=Support)

    def update(self, terms: Terms, reward: Floats, row_number: NDArray[np.integer]) -> PoissonBootstrap:
        """The record with an estimator's rows added.

        reward: [row] of one impression · row_number: [row] of the whole log, no number twice. Raises `DataError` for a
        number given twice.
        """
        if len(np.unique(row_number)) != len(row_number):
            raise DataError("Parameter `row_number` should not hold a number twice. Found one that it does.")
        ones = np.ones(len(terms.count))
        columns = np.stack([terms.numerator, terms.denominator, reward * ones, ones], axis=1)
        added = np.zeros_like(self.sums)
        step = max(1, CHUNK_FLOATS // len(self.sums))
        for first in range(0, len(row_number), step):
            part = slice(first, first + step)
            drawn = poisson(terms.count[part], uniforms(row_number[part], len(self.sums), self.seed))
            added += drawn @ columns[part]
        return PoissonBootstrap(self.seed, self.sums + added, self.support.update(terms))

    def __add__(self, other: PoissonBootstrap) -> PoissonBootstrap:
        mine, theirs = (self.seed, len(self.sums)), (other.seed, len(other.sums))
        if mine != theirs:
            raise ConfigError(
                f"Records add up only where seed and number of replicates are the same. Found {mine} and {theirs}."
            )
        return PoissonBootstrap(self.seed, self.sums + other.sums, self.support + other.support)

    def value(self, level: float = 0.95, floor: float = SMALLEST_SIZE) -> Interval:
        """Percentile interval of the value. Raises `SupportError` where the effective sample size is below `floor`."""
        self.support.check_size(floor)
        numerator, denominator, _, _ = self.sums.T
        return _quantiles(numerator / denominator, level)

    def difference(self, level: float = 0.95, floor: float = SMALLEST_SIZE) -> Interval:
        """Percentile interval of the value less the mean reward of the log itself. Raises as `value` does."""
        self.support.check_size(floor)
        numerator, denominator, reward, num = self.sums.T
        return _quantiles(numerator / denominator - reward / num, level)


def uniforms(row_number: NDArray[np.integer], num_replicates: int, seed: int) -> Floats:
    """Numbers in (0, 1) [replicate, row] that depend on seed, replicate and row number alone (splitmix64)."""
    of_rows, of_replicates = (np.uint64(stable_hash("poisson bootstrap", name, seed)) for name in ("row", "replicate"))
    rows = _mixed(np.asarray(row_number).astype(np.uint64) + of_rows)
    replicates = _mixed(np.arange(num_replicates, dtype=np.uint64) + of_replicates)
    mixed = _mixed(rows[None, :] ^ replicates[:, None])
    return np.asarray(((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def poisson(mean: Floats, uniform: Floats) -> Floats:
    """Poisson numbers of `mean` [row] by inversion of `uniform` [replicate, row]."""
    drawn = np.empty(uniform.shape)
    for each in np.unique(mean):
        rows = mean == each
        cumulative = pdtr(np.arange(int(each + 12 * np.sqrt(each)) + 20), each)
        drawn[:, rows] = np.searchsorted(cumulative, uniform[:, rows])
    return drawn


def _mixed(words: Words) -> Words:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _quantiles(values: Floats, level: float) -> Interval:
    check_level(level)
    low, high = np.quantile(values[np.isfinite(values)], [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
