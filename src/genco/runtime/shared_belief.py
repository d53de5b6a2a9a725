"""What is believed of the arms of many items: shared effects, with variances learned from the same counts.

Variances follow the fixed point of the evidence (MacKay 1992, eq. 32) with an inverse-gamma prior worth `PRIOR_WEIGHTS`
determined weights. Without it a variance falls to zero while clicks are few, and exploring ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.runtime.arm_effects import ArmEffects
from genco.runtime.arm_posterior import BASE_DEVIATION, BASE_LOGIT, ArmCounts, ArmPosterior, rates
from genco.runtime.arrow_matrix import ArrowInverse, arrow_inverse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PRIOR_VARIANCE = {"level": BASE_DEVIATION**2, "item": 0.25, "own": 0.25, "pair": 0.0004, "combination": 0.0001}
GROUP_VARIANCE = 0.0004
PRIOR_WEIGHTS = 4.0
ROUNDS, MAX_STEP = 3, 2.0


class SharedBelief:
    """Counts and posterior of all arms. item: [arm], ascending · elements: [arm, slot] · fields: [item, field] ·
    half_life: views after which a view counts half, infinite = never.

    Every update takes a few rounds, from where they were, of Newton's step for the mean (Laplace) and of the variances.
    """

    def __init__(
        self, item: NDArray[np.int32], elements: NDArray[np.int32], fields: NDArray[np.int32], half_life: float = np.inf
    ) -> None:
        self._half_life = half_life
        self._effects = ArmEffects(item, elements, fields)
        self._first = np.searchsorted(item, np.arange(int(item[-1]) + 2))
        self.counts = ArmCounts(np.zeros(len(item)), np.zeros(len(item)))
        self._base = BASE_LOGIT
        self.variance = {name: PRIOR_VARIANCE.get(name, GROUP_VARIANCE) for name in self._effects.blocks}
        self._mean = np.zeros(self._effects.num_weights)
        self._inverse = self._inverted(np.zeros((self._effects.num_weights, self._effects.num_weights)))

    def learn(self, counts: ArmCounts) -> None:
        """Add new views and clicks [arm]."""
        if not self.counts.views.any():
            clicks, views = counts.clicks.sum() + 0.5, counts.views.sum() + 1.0
            self._base = float(np.log(clicks / (views - clicks)))
        self.counts = self.counts.faded(0.5 ** (float(counts.views.sum()) / self._half_life)) + counts
        for _ in range(ROUNDS):
            self._solve()
            self._learn_variances()
        self._solve()

    def posterior(self, item: int) -> ArmPosterior:
        """Logits of the item's arms."""
        return self._over(item, *self._inverse.around(int(self._effects.cluster[item])))

    def shared_posterior(self, item: int) -> ArmPosterior:
        """The same means; of the covariance, what comes from weights that other clusters of items have as well."""
        return self._over(item, self._effects.shared, self._inverse.corner)

    def _over(self, item: int, rows: Ints, inverse: Floats) -> ArmPosterior:
        """Mean, and covariance by the weights `rows` with scaled covariance `inverse`; other weights count as known."""
        columns = self._effects.columns[self._first[item] : self._first[item + 1]]
        place = np.full(self._effects.num_weights, len(rows))
        place[rows] = np.arange(len(rows))
        design = np.zeros((len(columns), len(rows) + 1))
        np.put_along_axis(design, place[columns], np.sqrt(self._prior())[columns], axis=1)
        design = design[:, : len(rows)]
        return ArmPosterior(self._base + self._mean[columns].sum(axis=1), design @ inverse @ design.T)

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

    def _solve(self) -> None:
        """Posterior at the present variances: a Newton step from the present mean, shortened where it would move the
        logit of an arm that was shown by more than `MAX_STEP`."""
        information, linear = self._statistics()
        scale = np.sqrt(self._prior())
        self._inverse = self._inverted(information)
        step = scale * self._inverse.times(scale * linear) - self._mean
        moved = np.abs(self._effects.design @ step)[self.counts.views > 0].max(initial=MAX_STEP)
        self._mean = self._mean + step * (MAX_STEP / moved)

    def _inverted(self, information: Floats) -> ArrowInverse:
        """Posterior covariance of the weights divided by their prior deviations."""
        scale = np.sqrt(self._prior())
        inner = scale[:, None] * information * scale[None, :]
        inner[np.diag_indices_from(inner)] += 1.0
        return arrow_inverse(inner, self._effects.shared, self._effects.local)

    def _learn_variances(self) -> None:
        left = self._inverse.diagonal()  # posterior over prior variance
        for name, weights in self._effects.blocks.items():
            mean = self._mean[weights]
            determined = max(len(mean) - float(left[weights].sum()), 0.0)
            total = float(mean @ mean) + PRIOR_WEIGHTS * PRIOR_VARIANCE.get(name, GROUP_VARIANCE)
            self.variance[name] = total / (determined + PRIOR_WEIGHTS)
