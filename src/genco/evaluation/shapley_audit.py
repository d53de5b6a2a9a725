"""Audit of the attribution: exact Shapley values of the whole reward model, attention residual included.

2^C forward passes, one for every set of slots that is shown. A slot that is not shown holds its pool's average
element (centred latents of zero). For own and pair terms that is the average over the pool, so the game is the one of
`docs/explanation/attribution.md`; for the residual it is the point it is measured from.
"""

from __future__ import annotations

from itertools import product as product_of
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.policies.generative import GenerativePolicy, Request
from genco.simulator.shapley import coalition_shapley

MAX_SLOTS = 8
MAX_REQUESTS = 50
COMBINATIONS_PER_REQUEST = 4
KEYS = ("attribution.shapley_audit_largest", "attribution.shapley_audit_mean")
Floats = NDArray[np.float64]
Positions = NDArray[np.int32]


def audit_measures(
    policy: GenerativePolicy, requests: list[tuple[int, NDArray[np.float32]]], max_requests: int = MAX_REQUESTS
) -> dict[str, Any]:
    """`attribution.shapley_audit_*` over uniform legal combinations of `requests` (product row, encoded context)."""
    num_slots = policy.bound.model.layout.num_slots
    if num_slots > MAX_SLOTS:
        return _none(f"exact Shapley values take 2^slots passes: at most {MAX_SLOTS} slots, the run has {num_slots}")
    if not requests:
        return _none("no request could be drawn")
    differences = []
    for number, (product, context) in enumerate(requests[:max_requests]):
        request = policy.request(product, context)
        positions = request.space.sample_uniform(policy.rng("audit", product, number), COMBINATIONS_PER_REQUEST)
        reported = policy.attribution(request, positions).total
        differences.append(np.abs(reported - exact_shapley(policy, request, positions)))
    found = np.concatenate(differences)
    return {
        "attribution.shapley_audit_largest": float(found.max()),
        "attribution.shapley_audit_mean": float(found.mean()),
        "attribution.shapley_audit_values": int(found.size),
    }


def exact_shapley(policy: GenerativePolicy, request: Request, positions: Positions) -> Floats:
    """Shapley values [batch, slot] of the uplift of combinations `positions` [batch, slot], in logits."""
    worth = {}
    for shown in product_of((False, True), repeat=positions.shape[1]):
        coalition = frozenset(int(slot) for slot in np.flatnonzero(shown))
        worth[coalition] = _worth(policy, request, positions, np.array(shown))
    return coalition_shapley(worth)


def _worth(policy: GenerativePolicy, request: Request, positions: Positions, shown: NDArray[np.bool_]) -> Floats:
    """Uplift [batch] where only the slots `shown` [slot] hold their element, the others their pool's average."""
    tables, slots = request.tables, np.flatnonzero(shown)
    total = sum((tables.own[c][positions[:, c]].astype(np.float64) for c in slots), np.zeros(len(positions)))
    for (c, d), bilinear in tables.bilinear.items():
        if shown[c] and shown[d]:
            left, right = tables.factors[c][positions[:, c]], tables.factors[d][positions[:, d]]
            total = total + np.einsum("bi,bi->b", left @ bilinear, right)
    residual = policy.bound.model.residual
    if residual is None:
        return total
    present = policy.rows(request.space, positions) >= 0
    latents = np.stack([request.encoding.full_latents[c][positions[:, c]] for c in range(len(shown))], axis=1)
    latents = np.where((present & shown)[..., None], latents, np.float32(0.0))
    context = np.repeat(request.context[None], len(positions), axis=0)
    return np.asarray(total + residual(latents, present | ~shown, context).sum(axis=1))


def _none(reason: str) -> dict[str, Any]:
    return {name: value for key in KEYS for name, value in ((key, None), (f"{key}_reason", reason))}
