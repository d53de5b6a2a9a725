"""Bayesian probit regression on binary features, one observation after another.

Source: Graepel, Quinonero Candela, Borchert, Herbrich, Web-Scale Bayesian Click-Through Rate Prediction for Sponsored
Search Advertising in Microsoft's Bing Search Engine, ICML 2010, section 3: weights are independent normals, updated
by moment matching.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class BayesianProbit:
    """P(click) = Phi(sum of the active weights / noise). mean, variance: [feature], N(0, 1) at first."""

    def __init__(self, num_features: int, noise: float = 1.0) -> None:
        self.mean, self.variance = np.zeros(num_features), np.ones(num_features)
        self._noise = noise

    def observe(self, active: NDArray[np.int64], click: bool) -> None:
        """Learn from one view with the features `active` [feature number]."""
        variance = self.variance[active]
        total = math.sqrt(self._noise**2 + float(variance.sum()))
        sign = 1.0 if click else -1.0
        shift, shrink = _corrections(sign * float(self.mean[active].sum()) / total)
        self.mean[active] += sign * shift / total * variance
        self.variance[active] = variance * (1.0 - shrink / total**2 * variance)


def _corrections(margin: float) -> tuple[float, float]:
    """How mean and variance of a unit normal change where it is known to exceed -margin: v(t), w(t) of the paper."""
    below = 0.5 * math.erfc(-margin / math.sqrt(2.0))
    shift = math.exp(-0.5 * margin**2) / math.sqrt(2.0 * math.pi) / below if below > 1e-300 else -margin
    return shift, shift * (shift + margin)
