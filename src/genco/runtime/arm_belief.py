"""What is believed of the arms of one item, kept up to date: cheap steps between refits of the prior's weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.runtime.arm_posterior import ArmCounts, ArmModel, ArmPosterior

REFIT_GROWTH = 0.3


class ArmBelief:
    """Counts and posterior of one item's arms. elements: int32 [arm, slot] · half_life: views after which a view counts
    half, infinite = never.

    The prior points are weighed anew when new views are a share `REFIT_GROWTH` of those of the last time; between, the
    posterior is conditioned on the new counts alone, and forgets nothing.
    """

    def __init__(self, elements: NDArray[np.int32], half_life: float = np.inf) -> None:
        self._model = ArmModel(elements)
        self._half_life = half_life
        self._posterior = self._model.prior()
        self.counts = ArmCounts(np.zeros(len(elements)), np.zeros(len(elements)))
        self._fitted_at, self._since = 0.0, 0.0

    def posterior(self, item: int) -> ArmPosterior:
        """The belief; `item` is 0."""
        return self._posterior

    def learn(self, counts: ArmCounts) -> None:
        """Add new views and clicks [arm]."""
        new = float(counts.views.sum())
        self.counts = self.counts.faded(0.5 ** (new / self._half_life)) + counts
        self._since += new
        if self._since < REFIT_GROWTH * self._fitted_at:
            self._posterior = self._posterior.given(counts)
            return
        mode = self._posterior.mean if self._fitted_at else _pooled_logit(self.counts)
        self._posterior = self._model.fit(self.counts, mode)
        self._fitted_at, self._since = float(self.counts.views.sum()), 0.0


def _pooled_logit(counts: ArmCounts) -> NDArray[np.float64]:
    clicks, views = counts.clicks.sum() + 0.5, counts.views.sum() + 1.0
    return np.full(len(counts.views), np.log(clicks / (views - clicks)))
