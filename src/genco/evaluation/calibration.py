"""Expected calibration error over bins of equal mass; bins of shards add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationBins:
    """Per bin [bin]: impressions, sum of predicted and sum of observed reward. `edges` [bin - 1] are prediction
    quantiles."""

    edges: Floats
    trials: Floats
    predicted: Floats
    observed: Floats

    @classmethod
    def empty(cls, edges: Floats) -> CalibrationBins:
        zeros = np.zeros(len(edges) + 1)
        return cls(edges, zeros, zeros, zeros)

    def __add__(self, other: CalibrationBins) -> CalibrationBins:
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("Calibration bins add only where their `edges` are equal.")
        return CalibrationBins(
            self.edges, self.trials + other.trials, self.predicted + other.predicted, self.observed + other.observed
        )

    def update(
        self, probability: NDArray[np.floating], trials: NDArray[np.floating], reward: NDArray[np.floating]
    ) -> CalibrationBins:
        """Add rows; all arrays [row]."""
        index = np.searchsorted(self.edges, probability, side="right")

        def sums(values: NDArray[np.floating]) -> Floats:
            return np.asarray(np.bincount(index, weights=values, minlength=len(self.trials)), dtype=np.float64)

        return self + CalibrationBins(self.edges, sums(trials), sums(probability * trials), sums(reward))

    @property
    def error(self) -> float:
        """Mean absolute difference of predicted and observed rate, weighted by impressions."""
        total = self.trials.sum()
        return float(np.abs(self.predicted - self.observed).sum() / total) if total > 0 else float("nan")


def equal_mass_bins(probability: NDArray[np.floating], num_bins: int = 10) -> CalibrationBins:
    """Empty bins whose edges are quantiles of `probability` [row]."""
    inner = np.quantile(probability, np.arange(1, num_bins) / num_bins) if len(probability) else np.zeros(0)
    return CalibrationBins.empty(np.unique(inner))
