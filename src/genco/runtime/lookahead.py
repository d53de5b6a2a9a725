"""What serving an arm is worth when what it teaches is used afterwards: a finite-horizon knowledge gradient.

    value(a) = max over m of  [ m mean_a + (R - m) E max_b mean_b(after m batches of a) ] / R

R: batches to come · m: batches spent on `a` before the best arm is served for good. One batch alone often cannot change
the choice, so its gradient is zero; looking m batches ahead mends that (Frazier and Powell 2010, KG(*)). Beliefs are
correlated (Frazier, Powell and Dayanik 2009): what `a` teaches of its neighbours counts. R = 1 is greedy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.runtime.arm_posterior import ArmPosterior

Floats = NDArray[np.float64]
LENGTHS = (1, 2, 4, 8, 16, 32)
NODES = np.linspace(-2.4, 2.4, 9)
WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()
MAX_COMPARED = 40
OPTIMISM = 2.0


def lookahead_value(posterior: ArmPosterior, batch_views: float, batches: float) -> Floats:
    """Value [arm] in logits per view; -inf for arms that are not among the `MAX_COMPARED` with the best upper bounds.

    batch_views: views per batch · batches: how many are to come, this one included; need not be whole.
    """
    deviation = np.sqrt(np.maximum(np.diagonal(posterior.covariance), 0.0))
    arms = np.argsort(-(posterior.mean + OPTIMISM * deviation), kind="stable")[:MAX_COMPARED]
    mean = posterior.mean[arms]
    covariance = posterior.covariance[np.ix_(arms, arms)]
    noise = 1.0 / (batch_views * posterior.precision_per_view[arms])
    best = mean.copy()
    for length in LENGTHS:
        if length >= batches:
            break
        change = covariance / np.sqrt(np.diagonal(covariance) + noise / length)  # [arm, shown arm]
        after = (mean[None, :, None] + NODES[:, None, None] * change[None]).max(axis=1)
        best = np.maximum(best, (length * mean + (batches - length) * (WEIGHTS @ after)) / batches)
    value = np.full(len(posterior.mean), -np.inf)
    value[arms] = best
    return value
