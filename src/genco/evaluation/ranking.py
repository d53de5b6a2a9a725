"""How well predictions order what was shown: AUC, log loss, pairs that differ significantly, lift of the pick."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Z_SIGNIFICANT = 1.96


def auc(score: Floats, trials: Floats, reward: Floats) -> float | None:
    """Probability that a rewarded impression scores above an unrewarded one, ties counted half; None without both
    kinds.

    All arrays [row]; rows may be aggregated.
    """
    order = np.argsort(score, kind="stable")
    positive, negative = reward[order].astype(np.float64), (trials - reward)[order].astype(np.float64)
    _, start = np.unique(score[order], return_index=True)
    positive, negative = np.add.reduceat(positive, start), np.add.reduceat(negative, start)
    total = positive.sum() * negative.sum()
    if not total > 0:
        return None
    below = np.cumsum(negative) - negative
    return float((positive * (below + 0.5 * negative)).sum() / total)


def grouped_auc(score: Floats, trials: Floats, reward: Floats, group: NDArray[np.integer]) -> float | None:
    """AUC within each group (product), averaged with the group's impressions as weight; groups of one kind are
    left out."""
    order = np.argsort(group, kind="stable")
    edges = np.flatnonzero(np.diff(group[order])) + 1
    values, weights = [], []
    for rows in np.split(order, edges):
        value = auc(score[rows], trials[rows], reward[rows])
        if value is not None:
            values.append(value)
            weights.append(float(trials[rows].sum()))
    return float(np.average(values, weights=weights)) if values else None


def log_loss(probability: Floats, trials: Floats, reward: Floats) -> float:
    """Mean binomial cross-entropy per impression, in nats."""
    p = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-(reward * np.log(p) + (trials - reward) * np.log1p(-p)).sum() / max(trials.sum(), 1e-12))


def significant_pairs(
    trials: Floats, reward: Floats, group: NDArray[np.integer], kind: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Pairs (better, worse) of rows [pair, 2] of one group whose rates differ with pooled z of 1.96 or more.

    kind: rows of equal kind are not compared (they differ only in what a model cannot see).
    """
    order = np.argsort(group, kind="stable")
    edges = np.flatnonzero(np.diff(group[order])) + 1
    found = []
    for rows in np.split(order, edges):
        if len(rows) < 2:
            continue
        i, j = np.triu_indices(len(rows), 1)
        a, b = rows[i], rows[j]
        rate_a, rate_b = reward[a] / trials[a], reward[b] / trials[b]
        pooled = (reward[a] + reward[b]) / (trials[a] + trials[b])
        error = np.sqrt(pooled * (1 - pooled) * (1 / trials[a] + 1 / trials[b]))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(error > 0, (rate_a - rate_b) / error, 0.0)
        keep = (np.abs(z) >= Z_SIGNIFICANT) & (kind[a] != kind[b])
        better = np.where(z > 0, a, b)[keep]
        worse = np.where(z > 0, b, a)[keep]
        found.append(np.stack([better, worse], axis=1))
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)


def ordered_right(score: Floats, pairs: NDArray[np.int64]) -> Floats:
    """1 where the better row scores above the worse, 0.5 at a tie, 0 else [pair]."""
    difference = score[pairs[:, 0]] - score[pairs[:, 1]]
    return np.where(difference > 0, 1.0, np.where(difference < 0, 0.0, 0.5))


def pick_lift(score: Floats, trials: Floats, reward: Floats, group: NDArray[np.integer]) -> float | None:
    """Mean rate of the row each group's best score picks, over the mean of the groups' average rates; groups of
    one are left out."""
    order = np.argsort(group, kind="stable")
    edges = np.flatnonzero(np.diff(group[order])) + 1
    picked, average = [], []
    for rows in np.split(order, edges):
        if len(rows) < 2:
            continue
        rate = reward[rows] / trials[rows]
        picked.append(rate[int(score[rows].argmax())])
        average.append(rate.mean())
    return float(np.mean(picked) / np.mean(average)) if average and np.mean(average) > 0 else None
