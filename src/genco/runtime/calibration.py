"""Calibration of the click probability on held-out rows: a slope on the uplift and an intercept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SLOPE_SD, INTERCEPT_SD = 0.05, 0.1


def fit_calibration(
    appeal: NDArray[np.floating],
    uplift: NDArray[np.floating],
    trials: NDArray[np.floating],
    reward: NDArray[np.floating],
    rounds: int = 20,
) -> tuple[float, float]:
    """(slope, intercept) of logit = appeal + slope * uplift + intercept, all arrays [row].

    Penalised maximum likelihood with normal priors around (1, 0): a small held-out set moves little.
    """
    design = np.stack([uplift, np.ones_like(uplift)], axis=1).astype(np.float64)
    weights, prior = np.array([1.0, 0.0]), np.diag([SLOPE_SD**-2, INTERCEPT_SD**-2])
    for _ in range(rounds):
        rate = 1.0 / (1.0 + np.exp(-(appeal + design @ weights)))
        gradient = design.T @ (reward - trials * rate) - prior @ (weights - [1.0, 0.0])
        information = design.T @ ((trials * rate * (1 - rate))[:, None] * design) + prior
        step = np.linalg.solve(information, gradient)
        weights = weights + np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0]), float(weights[1])
