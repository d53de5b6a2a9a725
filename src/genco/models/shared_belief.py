"""What is believed of the arms of many items: shared effects with variances by marginal likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.models.arm_effects import ArmEffects
from genco.models.evidence import GaussianStatistics, Posterior, fit_evidence
from genco.runtime.arm_posterior import BASE_LOGIT, ArmCounts, ArmPosterior, rates

FIRST_VARIANCE = 0.05
SMALLEST_START = 1e-4
MAX_ROUNDS = 5


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
        self._variance = {block.name: FIRST_VARIANCE for block in self._effects.blocks}
        prior = np.full(self._effects.num_weights, FIRST_VARIANCE)
        self._posterior = Posterior(np.zeros(len(prior)), np.diag(prior), prior, self._variance, 0.0)

    def learn(self, counts: ArmCounts) -> None:
        """Add new views and clicks [arm]."""
        if not self.counts.views.any():
            clicks, views = counts.clicks.sum() + 0.5, counts.views.sum() + 1.0
            self._base = float(np.log(clicks / (views - clicks)))
        self.counts = self.counts + counts
        start = {name: max(value, SMALLEST_START) for name, value in self._variance.items()}
        self._posterior = fit_evidence(self._statistics(), self._effects, (), 0.0, start, MAX_ROUNDS)
        self._variance = self._posterior.block_variance

    def posterior(self, item: int) -> ArmPosterior:
        """Logits of the item's arms."""
        columns = self._effects.columns[self._first[item] : self._first[item + 1]]
        used, place = np.unique(columns, return_inverse=True)
        design = np.zeros((len(columns), len(used)))
        np.put_along_axis(design, place.reshape(columns.shape), 1.0, axis=1)
        covariance = design @ self._posterior.covariance[np.ix_(used, used)] @ design.T
        return ArmPosterior(self._base + design @ self._posterior.mean[used], covariance)

    def _statistics(self) -> GaussianStatistics:
        design = self._effects.design
        logit = design @ self._posterior.mean
        rate = rates(self._base + logit)
        precision = self.counts.views * rate * (1.0 - rate)
        information = (design.T @ design.multiply(precision[:, None])).toarray()
        linear = design.T @ (precision * logit + self.counts.clicks - self.counts.views * rate)
        return GaussianStatistics(information, linear)
