"""True click rates of listed combinations, over time: the world in which online policies are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.errors import DataError

Floats = NDArray[np.float64]
RatesAt = Callable[[int], Floats]


@dataclass(frozen=True)
class Rates:
    """Rates of one moment. arm: [arm] · uniform, best: [item], of the mean and of the best arm of every item."""

    arm: Floats
    uniform: Floats
    best: Floats


class RateEnvironment:
    """Arms and their true click rates. rates_at: number of the view -> rates [arm]; called once per batch of views."""

    def __init__(self, arms: ArmTable, rates_at: RatesAt) -> None:
        self.arms, self.rates_at = arms, rates_at

    def at(self, view: int) -> Rates:
        """The rates when view number `view` is served. Raises `DataError` where one is not in [0, 1]."""
        rates = np.asarray(self.rates_at(view), dtype=np.float64)
        if rates.shape != (self.arms.num_arms,) or not ((rates >= 0) & (rates <= 1)).all():
            raise DataError(f"{self.arms.num_arms} click rates in [0, 1] are expected. Found {rates}.")
        first = self.arms.first[:-1]
        size = np.diff(self.arms.first)
        return Rates(rates, np.add.reduceat(rates, first) / size, np.maximum.reduceat(rates, first))


def constant(rates: Floats) -> RatesAt:
    """The same rates [arm] for ever."""
    return lambda view: rates


def taking_turns(tables: tuple[Floats, ...], every: int) -> RatesAt:
    """Drift: another table of rates [arm] after every so many views; the last one stays."""
    return lambda view: tables[min(view // every, len(tables) - 1)]
