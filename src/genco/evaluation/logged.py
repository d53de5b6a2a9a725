"""Measures on logged impressions: predictions for rows, merged packages, ranking and calibration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.evaluation.calibration import CalibrationBins, equal_mass_bins
from genco.evaluation.ranking import auc, grouped_auc, log_loss, ordered_right, pick_lift, significant_pairs
from genco.policies.optimizer import Optimizer
from genco.runtime.terms import TermLayout

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LoggedRows:
    """Rows of a log with what the model says of them, all [row] but combination [row, slot]."""

    product: NDArray[np.int32]
    combination: NDArray[np.int32]
    trials: Floats
    reward: Floats
    uplift: Floats
    probability: Floats


def predict(
    optimizer: Optimizer,
    product: NDArray[np.int32],
    combination: NDArray[np.int32],
    context: Floats,
    chunk: int = 32_768,
) -> tuple[Floats, Floats]:
    """Uplift and calibrated click probability [row] of arbitrary rows. context: [row, num_context]."""
    bound = optimizer.policy.bound
    uplift = np.concatenate(
        [
            bound.uplift(product[i : i + chunk], combination[i : i + chunk], context[i : i + chunk])
            for i in range(0, max(len(product), 1), chunk)
        ]
    )
    slope, intercept = bound.model.calibration
    logit = bound.appeal(product, context) + slope * uplift + intercept
    return uplift, np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float32)


def merge_packages(rows: LoggedRows) -> LoggedRows:
    """Rows of one product and combination become one: counts added, predictions averaged by impressions."""
    keys = np.column_stack([rows.product, rows.combination])
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    inverse = inverse.ravel()

    def total(values: NDArray[np.floating]) -> Floats:
        return np.bincount(inverse, weights=values, minlength=len(unique)).astype(np.float32)

    trials = total(rows.trials)
    safe = np.maximum(trials, 1e-12)
    return LoggedRows(
        unique[:, 0].astype(np.int32),
        unique[:, 1:].astype(np.int32),
        trials,
        total(rows.reward),
        np.asarray(total(rows.uplift * rows.trials) / safe, dtype=np.float32),
        np.asarray(total(rows.probability * rows.trials) / safe, dtype=np.float32),
    )


def seen_content(layout: TermLayout, latents: Floats, combination: NDArray[np.int32]) -> NDArray[np.int64]:
    """Number the rows [row] by the content the model sees; elements without content count as equal."""
    parts = []
    for slot, component in enumerate(layout.slot_component):
        rows = combination[:, slot]
        if layout.own_rank[component] == 0:
            continue
        index = np.where(rows == EMPTY, len(latents) - 1, rows)
        distinct, number = np.unique(index, return_inverse=True)
        _, content = np.unique(latents[distinct], axis=0, return_inverse=True)
        parts.append(content.ravel()[number.ravel()])
    if not parts:
        return np.zeros(len(combination), dtype=np.int64)
    _, kind = np.unique(np.column_stack(parts), axis=0, return_inverse=True)
    return np.asarray(kind.ravel(), dtype=np.int64)


def ranking_measures(optimizer: Optimizer, rows: LoggedRows) -> dict[str, Any]:
    """`ranking.*` of a log; a measure that needs what the log has not is None with a reason beside it."""
    bound = optimizer.policy.bound
    merged = merge_packages(rows)
    keep = merged.trials > 0
    merged = LoggedRows(**{name: getattr(merged, name)[keep] for name in LoggedRows.__dataclass_fields__})
    kind = seen_content(bound.model.layout, bound.latents, merged.combination)
    pairs = significant_pairs(merged.trials, merged.reward, merged.product, kind)
    right = ordered_right(merged.uplift, pairs)
    result: dict[str, Any] = {
        "ranking.auc": auc(rows.probability, rows.trials, rows.reward),
        "ranking.grouped_auc": grouped_auc(rows.uplift, rows.trials, rows.reward, rows.product),
        "ranking.log_loss": log_loss(rows.probability, rows.trials, rows.reward),
        "ranking.significant_pairs": float(right.mean()) if len(right) else None,
        "ranking.num_significant_pairs": len(pairs),
        "ranking.pick_lift": pick_lift(merged.uplift, merged.trials, merged.reward, merged.product),
    }
    reasons = {
        "ranking.auc": "the rows evaluated need rewarded and unrewarded impressions",
        "ranking.grouped_auc": "no product has both rewarded and unrewarded impressions",
        "ranking.significant_pairs": "no two combinations of a product differ significantly (pooled z of 1.96 or more)",
        "ranking.pick_lift": "no product has two combinations and a reward",
    }
    return result | {f"{key}_reason": why for key, why in reasons.items() if result[key] is None}


def calibration_of(rows: LoggedRows) -> CalibrationBins:
    """Ten bins of equal mass over the predictions."""
    return equal_mass_bins(rows.probability).update(rows.probability, rows.trials, rows.reward)


def concatenate(parts: Iterable[LoggedRows]) -> LoggedRows:
    """One `LoggedRows` of many."""
    found = list(parts)
    return LoggedRows(
        **{name: np.concatenate([getattr(p, name) for p in found]) for name in LoggedRows.__dataclass_fields__}
    )
