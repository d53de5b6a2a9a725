"""What is believed of the arms of many items: shared effects, with variances learned from the same counts.

Variances follow the fixed point of the evidence (MacKay 1992, eq. 32) with an inverse-gamma prior worth `PRIOR_WEIGHTS`
determined weights. Without it a variance falls to zero while clicks are few, and exploring ends.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as linalg
from numpy.typing import NDArray

from genco.runtime.arm_effects import ArmEffects
from genco.runtime.arm_posterior import BASE_LOGIT, ArmCounts, ArmPosterior, rates

Floats = NDArray[np.float64]
PRIOR_VARIANCE = {"item": 0.25, "own": 0.01, "pair": 0.0025, "combination": 0.0025}
GROUP_VARIANCE = 0.0025
PRIOR_WEIGHTS = 4.0
ROUNDS = 5


class SharedBelief:
    """Counts and posterior of all arms. item: [arm], ascending · elements: [arm, slot] · fields: [item, field].

    Every update expands the likelihood of all counts at the last mean (Laplace) and takes a few rounds of the variances
    from where they were.
    """

    def __init__(self, item: NDArray[np.int32], elements: NDArray[np.int32], fields: NDArray[np.int32]) -> None:
        self._effects = ArmEffects(item, elements, fields)
        self._first = np.searchsorted(item, np.arange(int(item[-1]) + 2))
        self.counts = ArmCounts(np.zeros(len(item)), np.zeros(len(item)))
        self._base = BASE_LOGIT
        self.variance = {name: PRIOR_VARIANCE.get(name, GROUP_VARIANCE) for name in self._effects.blocks}
        self._mean = np.zeros(self._effects.num_weights)
        self._covariance = np.diag(self._prior())

    def learn(self, counts: ArmCounts) -> None:
        """Add new views and clicks [arm]."""
        if not self.counts.views.any():
            clicks, views = counts.clicks.sum() + 0.5, counts.views.sum() + 1.0
            self._base = float(np.log(clicks / (views - clicks)))
        self.counts = self.counts + counts
        information, linear = self._statistics()
        for _ in range(ROUNDS):
            self._solve(information, linear)
            self._learn_variances()
        self._solve(information, linear)

    def posterior(self, item: int) -> ArmPosterior:
        """Logits of the item's arms."""
        columns = self._effects.columns[self._first[item] : self._first[item + 1]]
        used, place = np.unique(columns, return_inverse=True)
        design = np.zeros((len(columns), len(used)))
        np.put_along_axis(design, place.reshape(columns.shape), 1.0, axis=1)
        covariance = design @ self._covariance[np.ix_(used, used)] @ design.T
        return ArmPosterior(self._base + design @ self._mean[used], covariance)

    def _prior(self) -> Floats:
        """Prior variance [weight]."""
        prior = np.empty(self._effects.num_weights)
        for name, weights in self._effects.blocks.items():
            prior[weights] = self.variance[name]
        return prior

    def _statistics(self) -> tuple[Floats, Floats]:
        """Information [weight, weight] and linear term [weight] of the likelihood's quadratic at the mean."""
        design = self._effects.design
        logit = design @ self._mean
        rate = rates(self._base + logit)
        precision = self.counts.views * rate * (1.0 - rate)
        information = (design.T @ design.multiply(precision[:, None])).toarray()
        return information, design.T @ (precision * logit + self.counts.clicks - self.counts.views * rate)

    def _solve(self, information: Floats, linear: Floats) -> None:
        """Posterior at the present variances."""
        scale = np.sqrt(self._prior())
        inner = scale[:, None] * information * scale[None, :]
        inner[np.diag_indices_from(inner)] += 1.0
        inverse = linalg.cho_solve(linalg.cho_factor(inner, lower=True, check_finite=False), np.eye(len(inner)))
        self._covariance = scale[:, None] * inverse * scale[None, :]
        self._mean = self._covariance @ linear

    def _learn_variances(self) -> None:
        spread = np.diagonal(self._covariance)
        for name, weights in self._effects.blocks.items():
            mean, variance = self._mean[weights], self.variance[name]
            determined = max(len(mean) - float(spread[weights].sum()) / variance, 0.0)
            total = float(mean @ mean) + PRIOR_WEIGHTS * PRIOR_VARIANCE.get(name, GROUP_VARIANCE)
            self.variance[name] = total / (determined + PRIOR_WEIGHTS)
