"""Posterior of the logits of listed combinations ("arms") from their counts: exact sums in, a dense Gaussian out.

    logit_a = base + own_a + pair_a + rest_a

own, pair: effects of the elements and of the pairs of elements that arms share · rest: the arm's own. All are Gaussian;
their prior is known but for a spread and the shares of the three, which are averaged over `PRIOR_POINTS`, weighted by
marginal likelihood, instead of being maximised: with few clicks a maximum is at nothing or at everything. The binomial
likelihood enters through Laplace's quadratic (Rasmussen and Williams 2006, section 3.4) at a given mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.linalg as linalg
from numpy.typing import NDArray

from genco.errors import DataError

Floats = NDArray[np.float64]
BASE_LOGIT, BASE_DEVIATION = -4.0, 2.0
SPREADS = ((0.04, 0.15), (0.08, 0.25), (0.14, 0.25), (0.25, 0.2), (0.5, 0.1), (1.0, 0.05))
SHARES = (
    (0.8, 0.1, 0.1),
    (0.1, 0.8, 0.1),
    (0.1, 0.1, 0.8),
    (0.45, 0.45, 0.1),
    (0.45, 0.1, 0.45),
    (0.1, 0.45, 0.45),
    (0.34, 0.33, 0.33),
)
JITTER = 1e-10
MAX_STEPS, CLOSE = 12, 0.02


@dataclass(frozen=True)
class PriorPoint:
    """One prior. spread: deviation of logits between arms · share: of own, pair and rest in its square · weight."""

    spread: float
    share: tuple[float, float, float]
    weight: float


PRIOR_POINTS = tuple(PriorPoint(spread, share, weight / len(SHARES)) for spread, weight in SPREADS for share in SHARES)


@dataclass(frozen=True)
class ArmCounts:
    """Views and clicks [arm]; counts of shards and of days add up."""

    views: Floats
    clicks: Floats

    def __post_init__(self) -> None:
        if self.views.shape != self.clicks.shape or not ((self.clicks >= 0) & (self.clicks <= self.views)).all():
            raise DataError("Clicks of every arm should be between 0 and its views. Found others.")

    @classmethod
    def of(cls, arms: NDArray[np.int64], clicks: NDArray[np.int64], num_arms: int) -> ArmCounts:
        """Counts of single views: arms, clicks [view]."""
        views = np.bincount(arms, minlength=num_arms).astype(np.float64)
        clicked = np.bincount(arms, weights=clicks, minlength=num_arms).astype(np.float64)
        return cls(views, clicked)

    def faded(self, share: float) -> ArmCounts:
        """What is left when old views count less; share: in [0, 1]."""
        return ArmCounts(self.views * share, self.clicks * share)

    def __add__(self, other: ArmCounts) -> ArmCounts:
        return ArmCounts(self.views + other.views, self.clicks + other.clicks)


@dataclass(frozen=True)
class ArmPosterior:
    """Gaussian over logits. mean: [arm] · covariance: [arm, arm]."""

    mean: Floats
    covariance: Floats

    @property
    def precision_per_view(self) -> Floats:
        """What one more view tells of its arm's logit [arm]: p (1 - p)."""
        rate = rates(self.mean)
        return np.asarray(rate * (1.0 - rate))

    def given(self, counts: ArmCounts) -> ArmPosterior:
        """After more views: Laplace's approximation, by Newton steps of at most 1 from the present mean."""
        arms = np.flatnonzero(counts.views)
        if not len(arms):
            return self
        views, clicks, prior = counts.views[arms], counts.clicks[arms], self.mean[arms]
        logit = prior
        for _ in range(MAX_STEPS):
            rate = rates(logit)
            precision = views * rate * (1.0 - rate)
            gain, left = self._gain(arms, precision)
            mean = self.mean + gain @ ((clicks - views * rate) / precision + logit - prior)
            step = mean[arms] - logit
            if np.abs(step).max() < CLOSE:
                break
            logit = logit + np.clip(step, -1.0, 1.0)
        return ArmPosterior(mean, left)

    def awaiting(self, views: Floats) -> ArmPosterior:
        """What will be known once the outcome of more views [arm] is told: same mean, less uncertainty."""
        arms = np.flatnonzero(views)
        if not len(arms):
            return self
        return ArmPosterior(self.mean, self._gain(arms, (views * self.precision_per_view)[arms])[1])

    def draws(self, rng: np.random.Generator, num: int, width: float) -> Floats:
        """Logits [num, arm] drawn from the belief, deviations multiplied by `width`."""
        spread = self.covariance + JITTER * np.eye(len(self.mean))
        root = linalg.cholesky(spread, lower=True, check_finite=False)
        return np.asarray(self.mean + width * rng.standard_normal((num, len(root))) @ root.T)

    def _gain(self, arms: NDArray[np.int64], precision: Floats) -> tuple[Floats, Floats]:
        """Kalman gain [arm, given arm] and the covariance left. precision: of what is learned of each given arm."""
        cross = self.covariance[:, arms]
        inner = cross[arms] + np.diag(1.0 / precision)
        gain = linalg.solve(inner, cross.T, assume_a="pos", check_finite=False).T
        return gain, self.covariance - gain @ cross.T


def rates(logit: Floats) -> Floats:
    """Click rates of logits."""
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def share_kernels(elements: NDArray[np.int32]) -> tuple[Floats, Floats, Floats]:
    """Kernels [arm, arm] of own, pair and rest effects, unit variance each. elements: [arm, slot].

    Own: share of slots in which two arms agree; pair: share of pairs of slots (none where there is one slot).
    """
    same = [elements[:, slot, None] == elements[None, :, slot] for slot in range(elements.shape[1])]
    pairs = [a & b for a, b in combinations(same, 2)]
    num = len(elements)
    pair = np.mean(pairs, axis=0) if pairs else np.eye(num)
    return np.mean(same, axis=0), pair, np.eye(num)


class ArmModel:
    """The prior over the arms of one item. elements: [arm, slot] numbers of elements within their slots."""

    def __init__(self, elements: NDArray[np.int32], points: Sequence[PriorPoint] = PRIOR_POINTS) -> None:
        self.points = tuple(points)
        self._kernels = share_kernels(elements)
        self.num_arms = len(elements)

    def kernel(self, point: PriorPoint) -> Floats:
        """Prior covariance [arm, arm] of logits."""
        total = sum(share * kernel for share, kernel in zip(point.share, self._kernels, strict=True))
        return np.asarray(BASE_DEVIATION**2 + point.spread**2 * total)

    def prior(self) -> ArmPosterior:
        """Before any view."""
        weight = np.array([point.weight for point in self.points])
        covariance = sum(w * self.kernel(point) for w, point in zip(weight / weight.sum(), self.points, strict=True))
        return ArmPosterior(np.full(self.num_arms, BASE_LOGIT), np.asarray(covariance))

    def fit(self, counts: ArmCounts, mode: Floats) -> ArmPosterior:
        """Posterior averaged over prior points (mean and covariance of the mixture), likelihood expanded at `mode`."""
        if not counts.views.any():
            return self.prior()
        fits = [self._fit_point(point, counts, mode) for point in self.points]
        evidence = np.array([fit[0] for fit in fits]) + np.log([point.weight for point in self.points])
        weight = np.exp(evidence - evidence.max())
        weight /= weight.sum()
        kept = np.flatnonzero(weight > 1e-4)
        weight = weight[kept] / weight[kept].sum()
        posteriors = [self._posterior(self.points[at], *fits[at][1:], mode) for at in kept]
        mean = sum(w * each.mean for w, each in zip(weight, posteriors, strict=True))
        covariance = sum(
            w * (each.covariance + np.outer(each.mean - mean, each.mean - mean))
            for w, each in zip(weight, posteriors, strict=True)
        )
        return ArmPosterior(np.asarray(mean), np.asarray(covariance))

    def _fit_point(self, point: PriorPoint, counts: ArmCounts, mode: Floats) -> tuple[float, Floats, Floats, Floats]:
        """Log evidence, Cholesky factor of I + W^1/2 K W^1/2, W^1/2 and the whitened response at one prior point."""
        rate = rates(mode)
        root = np.sqrt(counts.views * rate * (1.0 - rate))
        shown = counts.views > 0
        response = np.zeros(self.num_arms)
        response[shown] = (counts.clicks - counts.views * rate)[shown] / root[shown]
        response += root * (mode - BASE_LOGIT)
        inner = root[:, None] * self.kernel(point) * root[None, :]
        inner[np.diag_indices_from(inner)] += 1.0
        factor = linalg.cholesky(inner, lower=True, check_finite=False, overwrite_a=True)
        whitened = linalg.solve_triangular(factor, response, lower=True, check_finite=False)
        evidence = -0.5 * float(whitened @ whitened) - float(np.log(np.diagonal(factor)).sum())
        return evidence, factor, root, whitened

    def _posterior(
        self, point: PriorPoint, factor: Floats, root: Floats, whitened: Floats, mode: Floats
    ) -> ArmPosterior:
        kernel = self.kernel(point)
        half = linalg.solve_triangular(factor, root[:, None] * kernel, lower=True, check_finite=False)
        return ArmPosterior(BASE_LOGIT + half.T @ whitened, kernel - half.T @ half)
