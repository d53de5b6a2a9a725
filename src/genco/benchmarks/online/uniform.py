"""Uniform play: the zero of the normalised value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.rng import stream


class UniformPolicy:
    """Every arm of the view's item alike, for ever."""

    def __init__(self, arms: ArmTable, seed: int) -> None:
        self._first = arms.first
        self._rng = stream(seed, "uniform policy")

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        return self._first[items] + self._rng.integers(np.diff(self._first)[items])

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        """Nothing to learn."""
