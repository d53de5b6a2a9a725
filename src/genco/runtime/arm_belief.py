"""What is believed of the arms of one item, kept up to date: cheap steps between refits of the prior's weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.runtime.arm_posterior import ArmCounts, ArmModel, ArmPosterior

REFIT_GROWTH = 1.3


class ArmBelief:
    """Counts and posterior of one item's arms. elements: int32 [arm, slot].

    The prior points are weighed anew when the views have grown by `REFIT_GROWTH`; between, the posterior is conditioned
    on the new counts alone.
    """

    def __init__(self, elements: NDArray[np.int32]) -> None:
        self._model = ArmModel(elements)
        self._posterior = self._model.prior()
        self.counts = ArmCounts(np.zeros(len(elements)), np.zeros(len(elements)))
        self._fitted_at = 0.0

    def posterior(self, item: int) -> ArmPosterior:
        """The belief; `item` is 0."""
        return self._posterior

    def learn(self, counts: ArmCounts) -> None:
        """Add new views and clicks [arm]."""
        self.counts = self.counts + counts
        views = float(self.counts.views.sum())
        if views < REFIT_GROWTH * self._fitted_at:
            self._posterior = self._posterior.given(counts)
            return
        mode = self._posterior.mean if self._fitted_at else _pooled_logit(self.counts)
        self._posterior = self._model.fit(self.counts, mode)
        self._fitted_at = views


def _pooled_logit(counts: ArmCounts) -> NDArray[np.float64]:
    clicks, views = counts.clicks.sum() + 0.5, counts.views.sum() + 1.0
    return np.full(len(counts.views), np.log(clicks / (views - clicks)))
