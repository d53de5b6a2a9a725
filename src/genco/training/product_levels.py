"""The level of every product: the logit of its average creative, beside which uplifts are learned.

While the weights of the uplift are learned, levels are all but free (`FREE_VARIANCE`). A policy that knows which
elements are good lifts every product it serves; a level drawn towards what product features predict would then take
part of that lift for appeal, and the weights would come out too small (the random-effects bias that fixed effects do
not have; Hausman 1978, Mundlak 1978). Rare rewards are close to Poisson counts, for which fixed effects carry no
incidental-parameter bias. What is served afterwards is shrunk, by a variance learned from all products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FREE_VARIANCE = 4.0
SMALLEST_VARIANCE, LARGEST_VARIANCE = 1e-4, 9.0
FEATURE_PENALTY = 1e-2
LARGEST_STEP = 0.7
VARIANCE_ROUNDS = 30
Values = NDArray[np.float64]


def level_step(
    logit: Values, gradient: Values, curvature: Values, design: Values, variance: float
) -> tuple[Values, Values]:
    """One Newton step of all levels around what `design` [product, column] predicts; levels and its weights [column].

    logit: [product] now · gradient, curvature: [product] of the log-likelihood there, curvature 0 = never logged ·
    variance: of levels around the prediction, which is the level of a product never logged.
    """
    logged = curvature > 0
    free = logit + np.divide(gradient, curvature, out=np.zeros_like(gradient), where=logged)
    weights = _regress(free, curvature, design, variance)
    mean = design @ weights
    trust = curvature / (curvature + 1.0 / variance)
    step = np.clip(mean + trust * (free - mean) - logit, -LARGEST_STEP, LARGEST_STEP)
    return np.where(logged, logit + step, mean), weights


def learned_variance(logit: Values, gradient: Values, curvature: Values, design: Values, variance: float) -> float:
    """Variance of levels around what `design` predicts, by expectation-maximisation from `variance`."""
    logged = curvature > 0
    free = logit[logged] + gradient[logged] / curvature[logged]
    information, columns = curvature[logged], design[logged]
    for _ in range(VARIANCE_ROUNDS):
        mean = columns @ _regress(free, information, columns, variance)
        trust = information / (information + 1.0 / variance)
        spread = (trust * (free - mean)) ** 2 + 1.0 / (information + 1.0 / variance)
        variance = float(np.clip(spread.mean(), SMALLEST_VARIANCE, LARGEST_VARIANCE))
    return variance


def level_penalty(logit: Values, design: Values, variance: float) -> float:
    """Minus the log prior density of `logit` [product] around what `design` predicts at its best, up to a constant."""
    weights = _regress(logit, np.full(len(logit), 1.0 / SMALLEST_VARIANCE**2), design, variance)
    return 0.5 * float(((logit - design @ weights) ** 2).sum() + FEATURE_PENALTY * (weights[1:] ** 2).sum()) / variance


def _regress(free: Values, curvature: Values, design: Values, variance: float) -> Values:
    """Generalised least squares of `free` ~ N(design @ weights, 1 / curvature + variance); weights [column]."""
    trust = curvature / (curvature + 1.0 / variance)
    penalty = np.full(design.shape[1], FEATURE_PENALTY)
    penalty[0] = 1e-9
    normal = design.T @ (trust[:, None] * design) + np.diag(penalty)
    return np.asarray(np.linalg.solve(normal, design.T @ (trust * free)), dtype=np.float64)
