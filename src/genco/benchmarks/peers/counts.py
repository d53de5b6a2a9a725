"""Views and clicks of every arm: all that a policy over a fixed table needs to keep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ArmCounts:
    """views, clicks: float [arm], zero at first."""

    def __init__(self, num_arms: int) -> None:
        self.views = np.zeros(num_arms)
        self.clicks = np.zeros(num_arms)

    def add(self, arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        """Count views [view] of `arms` with their 0/1 clicks."""
        self.views += np.bincount(arms, minlength=len(self.views))
        self.clicks += np.bincount(arms, weights=clicks, minlength=len(self.clicks))

    @property
    def rate(self) -> NDArray[np.float64]:
        """Clicks per view [arm]; zero where never shown."""
        return np.asarray(self.clicks / np.maximum(self.views, 1.0))

    @property
    def empty(self) -> bool:
        return not self.views.any()
