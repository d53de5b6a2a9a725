"""What one event of a product is worth, shrunk to the mean over products, and whether it depends on the creative.

Values of one product scatter by a coefficient of variation that all products share, and products' means are
log-normal: log y_p ~ N(log m_p, noise / n_p), log m_p ~ N(mu, spread), y_p the mean of n_p events. Empirical Bayes
(Robbins 1956) with variance components by moments, weighted by n_p as in Bühlmann & Straub (1970).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

Floats = NDArray[np.float64]
Rows = NDArray[np.integer]
SMALLEST_SQUARE = 1e-10  # of a relative difference: what float32 revenue cannot tell from none


@dataclass(frozen=True)
class ValueFit:
    """value: [product], NaN where no event was seen · overall: mean over products · noise: variance of one event's
    value over its product's mean · spread: variance between products of the logarithm of the mean · log_sd:
    [product], standard deviation of the logarithm of the value, NaN where unknown · overall_log_sd: of a product
    without events."""

    value: Floats
    overall: float
    noise: float
    spread: float
    log_sd: Floats
    overall_log_sd: float


def fit_values(product: Rows, events: Floats, value: Floats, num_products: int) -> ValueFit:
    """Posterior mean and standard deviation of every product's value (Harville 1976), given noise and spread.

    product, events (above 0), value (mean of the row's events, not negative): [row]. A row of many events tells no
    more of the scatter than their mean does. Where no product has two rows, noise counts as 0: nothing is shrunk.
    """
    unknown = np.full(num_products, np.nan)
    count: Floats = np.bincount(product, events, num_products).astype(np.float64)
    mean = np.bincount(product, events * value, num_products) / np.maximum(count, 1e-12)
    seen, paid = count > 0, mean > 0
    if not paid.any():
        return ValueFit(np.where(seen, 0.0, np.nan), 0.0, 0.0, 0.0, unknown, np.nan)
    noise = _noise(product, events, value, mean)
    spread = _spread(np.log(mean[paid]), count[paid], noise)
    own = spread * count / np.maximum(spread * count + noise, 1e-300)  # share of its own mean
    weight = own if own.sum() > 0 else count
    overall = float(weight @ mean / weight.sum())
    shrunk = np.where(paid, np.maximum(mean, 1e-300) ** own * overall ** (1 - own), (1 - own) * overall)
    value = np.where(seen, shrunk, np.nan)
    if len(product) == len(np.unique(product)):  # nothing tells the scatter
        return ValueFit(value, overall, noise, spread, unknown, np.nan)
    centre = _variance_of_centre(count[paid], noise, spread)
    variance = (1 - own) * spread + (1 - own) ** 2 * centre
    return ValueFit(value, overall, noise, spread, np.where(paid, variance, np.nan) ** 0.5, (spread + centre) ** 0.5)


def _variance_of_centre(count: Floats, noise: float, spread: float) -> float:
    """Of the mean over products of the logarithm, by generalised least squares. count: events [product]."""
    total = spread + noise / count
    return float(1 / np.sum(1 / total)) if total.all() else 0.0


def _noise(product: Rows, events: Floats, value: Floats, mean: Floats) -> float:
    """Pooled within-product variance of one event's relative value, over products with a value above 0."""
    rows = mean[product] > 0
    product, relative = product[rows], value[rows] / mean[product[rows]]
    freedom = len(product) - len(np.unique(product))
    square = float(events[rows] @ (relative - 1) ** 2)
    return square / freedom if freedom and square > SMALLEST_SQUARE * float(events[rows].sum()) else 0.0


def _spread(log_mean: Floats, count: Floats, noise: float) -> float:
    """Between-product variance of log means [product], by moments; never negative."""
    total = float(count.sum())
    scale = total - float(count @ count) / total
    if len(count) < 2 or scale <= 0:
        return 0.0
    centre = float(count @ log_mean) / total
    square = float(count @ (log_mean - centre) ** 2)
    found = (square - (len(count) - 1) * noise) / scale
    return found if found > SMALLEST_SQUARE else 0.0


def element_differences(product: Rows, combination: Rows, events: Floats, value: Floats) -> Floats:
    """Probability [slot] of differences between a product's elements as large as those found, were there none.

    combination: [row, slot], -1 = empty. An F test within products on values relative to the product's mean (Fisher's
    analysis of variance, weighted by events). 1 where it cannot be taken: no product with two elements, or no two rows
    of one.
    """
    count = np.bincount(product, events)
    mean = np.bincount(product, events * value) / np.maximum(count, 1e-12)
    rows = mean[product] > 0
    product, combination, events = product[rows], combination[rows], events[rows]
    relative = value[rows] / mean[product]
    return np.array([_probability(product, element, events, relative) for element in combination.T])


def _probability(product: Rows, element: Rows, events: Floats, relative: Floats) -> float:
    pairs, group = np.unique(np.stack([product, element], axis=1), axis=0, return_inverse=True)
    group = group.ravel()
    between = len(pairs) - len(np.unique(product))
    within = len(product) - len(pairs)
    if not between or not within:
        return 1.0
    count = np.bincount(group, events)
    mean = np.bincount(group, events * relative) / count
    explained, left = float(count @ (mean - 1) ** 2), float(events @ (relative - mean[group]) ** 2)
    nothing = SMALLEST_SQUARE * float(events.sum())
    if explained <= nothing:
        return 1.0
    return float(fdtrc(between, within, explained / between / (left / within))) if left > nothing else 0.0
