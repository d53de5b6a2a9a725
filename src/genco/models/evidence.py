"""Gaussian posterior of the additive weights with prior scales learned by marginal likelihood.

The log enters only through sums: an information matrix and a linear term (Laplace's approximation at the last mode),
so statistics of shards and of later days add up. Prior variances, one per block of weights, are MacKay's fixed point
of the evidence (MacKay 1992, eq. 32; Tipping 2001): a block the data do not support shrinks to nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as linalg
from numpy.typing import NDArray

from genco.runtime.terms import TermLayout

SMALLEST_VARIANCE, LARGEST_VARIANCE = 1e-8, 4.0
SHRINKING = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.125)
Weights = NDArray[np.float64]
Known = Mapping[str, Weights]  # prior variances [size] of blocks whose scale is not learned here, by name


@dataclass(frozen=True)
class GaussianStatistics:
    """information: [weight, weight] · linear: [weight], the gradient plus information times the weights it was
    taken at."""

    information: Weights
    linear: Weights

    def __add__(self, other: GaussianStatistics) -> GaussianStatistics:
        return GaussianStatistics(self.information + other.information, self.linear + other.linear)

    def gain(self, weights: Weights) -> float:
        """What `weights` [weight] gain in log-likelihood over none at all."""
        return float(self.linear @ weights - 0.5 * weights @ self.information @ weights)


@dataclass(frozen=True)
class Posterior:
    """mean: [weight] · covariance: [weight, weight] · prior_variance: [weight] · block_variance: per block ·
    evidence: log marginal likelihood of the Gaussian approximation, up to a constant of the data."""

    mean: Weights
    covariance: Weights
    prior_variance: Weights
    block_variance: dict[str, float]
    evidence: float


def fit_evidence(
    statistics: GaussianStatistics,
    layout: TermLayout,
    spectrum: Sequence[NDArray[np.float32]],
    exponent: float,
    start: dict[str, float] | None = None,
    max_rounds: int = 60,
    tolerance: float = 0.02,
    progress: Callable[[], None] | None = None,
    known: Known | None = None,
) -> Posterior:
    """Learn block variances and return the posterior. `start` gives variances to begin from, by block name;
    `progress` is called after every round. Blocks that are `known` keep their prior variances."""
    shape, known = _shape(layout, spectrum, exponent, known), known or {}
    begin = {**(start or {}), **{name: float(values.mean()) for name, values in known.items()}}
    variance = np.array([begin.get(block.name, 1e-3) for block in layout.blocks])
    free = np.array([block.name not in known for block in layout.blocks], dtype=bool)
    for _ in range(max_rounds):
        updated = np.where(free, _mackay_update(statistics, layout, shape, variance), variance)
        change = np.abs(np.log(updated) - np.log(variance)).max(initial=0.0)
        variance = updated
        if progress is not None:
            progress()
        if change < tolerance:
            break
    return _solve(statistics, layout, shape, variance)


def solve_with(
    statistics: GaussianStatistics,
    layout: TermLayout,
    spectrum: Sequence[NDArray[np.float32]],
    exponent: float,
    block_variance: dict[str, float],
    known: Known | None = None,
) -> Posterior:
    """The posterior at given block variances."""
    variance = np.array([block_variance[block.name] for block in layout.blocks])
    return _solve(statistics, layout, _shape(layout, spectrum, exponent, known), variance)


def averaged_scales(
    posterior: Posterior,
    layout: TermLayout,
    spectrum: Sequence[NDArray[np.float32]],
    exponent: float,
    known: Known | None = None,
) -> dict[str, float]:
    """Block variances averaged over their marginal posterior, one block at a time, the others at those of `posterior`.

    Where data are few, the most probable variance of a block is often zero, and an interval of no width is no interval;
    where they are plenty, the average is the most probable one. Never below that. See `variance_component`.
    Blocks that are `known` keep theirs.
    """
    shape, found = np.sqrt(layout.prior_shape(spectrum, exponent)), dict(posterior.block_variance)
    for block in layout.blocks:
        if block.name in (known or {}):
            continue
        part = slice(block.start, block.stop)
        covariance = posterior.covariance[part, part] / np.outer(shape[part], shape[part])
        spread, axes = np.linalg.eigh(covariance)
        spread = np.maximum(spread, np.finfo(float).tiny)
        prior = 1.0 / posterior.block_variance[block.name]
        information = np.where(1.0 / spread > (1.0 + 1e-9) * prior, 1.0 / spread - prior, 0.0)
        linear = (axes.T @ (posterior.mean[part] / shape[part])) / spread
        averaged = variance_component(linear, information, np.ones(block.size))
        found[block.name] = max(averaged, posterior.block_variance[block.name])
    return found


def held_out_factor(
    parts: Sequence[GaussianStatistics],
    layout: TermLayout,
    spectrum: Sequence[NDArray[np.float32]],
    exponent: float,
    block_variance: dict[str, float],
    known: Known | None = None,
) -> float:
    """The factor of `SHRINKING` on all block variances under which weights learned from the other parts best predict
    each part; 1 unless another gains more than a standard error over parts.

    Marginal likelihood believes the noise to be what the model says; where a few products are far off, it takes part
    of that for content and shrinks too little.
    """
    total, shape = sum(parts[1:], parts[0]), _shape(layout, spectrum, exponent, known)
    variance = np.array([block_variance[block.name] for block in layout.blocks])
    gain = np.zeros((len(SHRINKING), len(parts)))
    for i, factor in enumerate(SHRINKING):
        scale = np.sqrt(_prior(layout, shape, factor * variance))
        for k, part in enumerate(parts):
            others = GaussianStatistics(total.information - part.information, total.linear - part.linear)
            gain[i, k] = part.gain(_mode(others, scale)[0])
    over = gain - gain[0]
    best = int(over.mean(axis=1).argmax())
    error = float(over[best].std(ddof=1) / np.sqrt(len(parts)))
    return SHRINKING[best] if over[best].mean() > error else 1.0


def _mackay_update(statistics: GaussianStatistics, layout: TermLayout, shape: Weights, variance: Weights) -> Weights:
    """One fixed-point round: needs the posterior mean and the diagonal of its covariance only."""
    scale = np.sqrt(_prior(layout, shape, variance))
    factor = _factor(statistics, scale)
    whitened_mean = linalg.cho_solve((factor, True), scale * statistics.linear, check_finite=False)
    inverse = _inverse(factor)
    whitened_spread = np.einsum("ij,ij->j", inverse, inverse)
    updated = variance.copy()
    for i, block in enumerate(layout.blocks):
        part = slice(block.start, block.stop)
        supported = block.size - float(whitened_spread[part].sum())
        updated[i] = variance[i] * float((whitened_mean[part] ** 2).sum()) / max(supported, 1e-3)
    return np.clip(updated, SMALLEST_VARIANCE, LARGEST_VARIANCE)


def _shape(
    layout: TermLayout, spectrum: Sequence[NDArray[np.float32]], exponent: float, known: Known | None
) -> Weights:
    """Relative prior variance of every weight [weight], of mean 1 in blocks that are `known`."""
    shape = layout.prior_shape(spectrum, exponent)
    for block in layout.blocks:
        values = (known or {}).get(block.name)
        if values is not None:
            shape[block.start : block.stop] = values / values.mean()
    return shape


def _prior(layout: TermLayout, shape: Weights, variance: Weights) -> Weights:
    prior = np.empty(layout.num_weights)
    for block, value in zip(layout.blocks, variance, strict=True):
        prior[block.start : block.stop] = value * shape[block.start : block.stop]
    return prior


def _factor(statistics: GaussianStatistics, scale: Weights) -> Weights:
    """Lower Cholesky factor of the posterior precision in units of the prior, zero above the diagonal."""
    inner = scale[:, None] * statistics.information * scale[None, :]
    inner[np.diag_indices_from(inner)] += 1.0
    return np.asarray(linalg.cholesky(inner, lower=True, check_finite=False))


def _inverse(factor: Weights) -> Weights:
    """Of a lower triangular matrix. LAPACK complains on stderr about one without rows: content that is all alike."""
    return np.asarray(linalg.lapack.dtrtri(factor, lower=1)[0]) if len(factor) else factor


def _mode(statistics: GaussianStatistics, scale: Weights) -> tuple[Weights, Weights]:
    """Posterior mean [weight], and `_factor`; scale: prior standard deviations [weight]."""
    factor = _factor(statistics, scale)
    return scale * linalg.cho_solve((factor, True), scale * statistics.linear, check_finite=False), factor


def _solve(statistics: GaussianStatistics, layout: TermLayout, shape: Weights, variance: Weights) -> Posterior:
    prior = _prior(layout, shape, variance)
    scale = np.sqrt(prior)
    mean, factor = _mode(statistics, scale)
    inverse = _inverse(factor)
    covariance = inverse.T @ inverse
    evidence = 0.5 * float(statistics.linear @ mean) - float(np.log(np.diagonal(factor)).sum())
    return Posterior(
        mean,
        scale[:, None] * covariance * scale[None, :],
        prior,
        {block.name: float(value) for block, value in zip(layout.blocks, variance, strict=True)},
        evidence,
    )


def variance_component(
    residual: Weights, curvature: Weights, kept: Weights, largest: float = 1.0, num_grid: int = 501
) -> float:
    """Prior variance of many small independent effects from their scores, averaged over its marginal posterior.

    residual, curvature: [effect], first and (negative) second derivative of the log-likelihood at zero effect · kept:
    [effect] share of the score's variance that the effects fitted before left in it (degrees of freedom), so that
    residual ~ N(0, kept * curvature * (1 + curvature * variance)). The standard deviation has a flat prior on [0,
    largest]; averaging instead of maximising keeps an honest width where the data cannot tell a small effect from none.
    """
    seen = curvature > 0
    if not seen.any():
        return 0.0
    squared, h, left = residual[seen] ** 2, curvature[seen], kept[seen]
    grid = largest * np.linspace(0.0, 1.0, num_grid) ** 2
    score = np.empty(num_grid)
    for i, deviation in enumerate(grid):
        spread = left * h * (1.0 + h * deviation**2)
        score[i] = -0.5 * float((np.log(spread) + squared / spread).sum())
    weight = np.exp(score - score.max()) * np.gradient(grid)
    return float((weight * grid**2).sum() / weight.sum())
