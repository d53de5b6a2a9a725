"""Attribution against the true Shapley values: rank correlation within slot, its ceiling, coverage of the intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.policies.optimizer import Optimizer
from genco.protocols import Truth

COMBINATIONS_PER_REQUEST = 6


def attribution_measures(
    optimizer: Optimizer, truth: Truth, requests: list[tuple[int, int, NDArray[np.float32]]], max_requests: int = 200
) -> dict[str, Any]:
    """`attribution.*` over uniform legal combinations of `requests` (product row, context number, encoded context)."""
    policy = optimizer.policy
    estimated, actual, ceiling, inside, sums = [], [], [], [], []
    for product, number, context in requests[:max_requests]:
        request = policy.request(product, context)
        rng = policy.rng("attribution", product, number)
        positions = request.space.sample_uniform(rng, COMBINATIONS_PER_REQUEST)
        credit = policy.attribution(request, positions)
        rows = policy.rows(request.space, positions)
        pools = [optimizer.catalogue.pool(product, slot) for slot in range(optimizer.catalogue.num_slots)]
        true = np.asarray(truth.shapley(product, number, rows, pools))
        if np.isnan(true).any():
            continue
        low, high = credit.interval()
        estimated.append(credit.total)
        actual.append(true)
        inside.append((true >= low) & (true <= high))
        sums.append(np.abs(credit.total.sum(axis=1) - policy.scores(request, positions)))
        if truth.has_content:
            ceiling.append(np.asarray(truth.shapley(product, number, rows, pools, content=True)))
    if not estimated:
        reason = "the true rates do not cover independent uniform elements, so Shapley values are not defined"
        keys = ("attribution.spearman", "attribution.spearman_ceiling", "attribution.coverage_95")
        return {name: value for key in keys for name, value in ((key, None), (f"{key}_reason", reason))}
    true, found = np.concatenate(actual), np.concatenate(estimated)
    result: dict[str, Any] = {
        "attribution.spearman": within_slot(found, true),
        "attribution.coverage_95": float(np.concatenate(inside).mean()),
        "attribution.largest_sum_error": float(np.concatenate(sums).max()),
        "attribution.num_triples": int(true.size),
    }
    if ceiling:
        result["attribution.spearman_ceiling"] = within_slot(np.concatenate(ceiling), true)
    else:
        result["attribution.spearman_ceiling"] = None
        result["attribution.spearman_ceiling_reason"] = "the truth does not say what content can explain"
    return result


def within_slot(estimated: NDArray[np.floating], actual: NDArray[np.floating]) -> float:
    """Spearman correlation of each slot's values [row, slot], averaged over the slots where either varies."""
    from scipy.stats import spearmanr  # half a second that no start of the service should pay for

    values = []
    for slot in range(actual.shape[1]):
        if np.ptp(actual[:, slot]) > 0 and np.ptp(estimated[:, slot]) > 0:
            values.append(float(spearmanr(estimated[:, slot], actual[:, slot]).statistic))
    return float(np.mean(values)) if values else float("nan")
