"""What a run's decision policy does on logged rows: exact probabilities, the model's expectation, slot marginals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from genco.errors import RuleError
from genco.evaluation.ope.logged_rows import LoggedRows
from genco.policies.generative import GenerativePolicy, Request
from genco.runtime.decision import Decision

Floats = NDArray[np.float64]
Positions = NDArray[np.int32]
Progress = Callable[[str, dict[str, float]], None]
DRAWS = 32


@dataclass(frozen=True)
class Served:
    """By row: evaluation_prob, expected [row] · slot_prob [row, slot] of the elements shown · servable: bool [row].

    False is servable, and NaN the figures, where a product has no legal combination.
    """

    evaluation_prob: Floats
    expected: Floats
    slot_prob: Floats
    servable: NDArray[np.bool_]

    def take(self, rows: NDArray[np.integer]) -> Served:
        return Served(*(getattr(self, each.name)[rows] for each in fields(self)))


def served(policy: GenerativePolicy, rows: LoggedRows, progress: Progress) -> Served:
    """Each distinct request (product and context) is decided once and answers for all its rows.

    Progress: stage "evaluate" with request, of.
    """
    keys = np.column_stack([rows.product.astype(np.float64), rows.context])
    _, first, request_of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(request_of.ravel(), kind="stable")
    bounds = np.cumsum(np.bincount(request_of.ravel(), minlength=len(first)))
    result = Served(
        evaluation_prob=np.full(len(rows), np.nan),
        expected=np.full(len(rows), np.nan),
        slot_prob=np.full(rows.combination.shape, np.nan),
        servable=np.zeros(len(rows), dtype=bool),
    )
    for number, (at, stop) in enumerate(zip(first, bounds, strict=True)):
        mine = order[bounds[number - 1] if number else 0 : stop]
        try:
            request = policy.request(int(rows.product[at]), rows.context[at])
        except RuleError:
            continue
        decision = policy.decide(request)
        result.servable[mine] = True
        positions = positions_of(request, rows.combination[mine])
        result.evaluation_prob[mine] = _propensity(decision, positions)
        drawn, weight = weighted_draws(decision, policy.rng("off-policy", int(at)), DRAWS)
        chance = policy.click_probability(request, policy.scores(request, drawn))
        result.expected[mine] = float(weight @ chance)
        for slot in range(positions.shape[1]):
            share = np.bincount(drawn[:, slot], weights=weight, minlength=request.space.sizes[slot] + 1)
            share[-1] = 0.0  # where position -1 looks: an element that is no candidate
            result.slot_prob[mine, slot] = share[positions[:, slot]]
        progress("evaluate", {"request": number + 1, "of": len(first)})
    return result


def positions_of(request: Request, combination: NDArray[np.int32]) -> Positions:
    """Positions [row, slot] of element rows among the request's candidates, -1 for those that are none."""
    positions = np.full(combination.shape, -1, dtype=np.int32)
    for slot, candidates in enumerate(request.space.candidates):
        order = np.argsort(candidates)
        at = np.minimum(np.searchsorted(candidates[order], combination[:, slot]), len(order) - 1)
        positions[:, slot] = np.where(candidates[order[at]] == combination[:, slot], order[at], -1)
    return positions


def weighted_draws(decision: Decision, rng: np.random.Generator, num: int) -> tuple[Positions, Floats]:
    """Combinations [k, slot] and weights [k] whose weighted means are unbiased for the decision policy.

    What posterior draws choose, nearly all of the policy, is there exactly; of each smaller part, `num` draws.
    """
    positions, weights = [decision.won.positions], [decision.greedy_weight * decision.won.share]
    parts = [
        decision.policy.sample(rng, num)[0],
        decision.space.sample_uniform(rng, num),
        *(policy.sample(rng, num)[0] for _, policy in decision.pinned),
    ]
    for part, weight in zip(parts, decision.weights[1:], strict=True):
        positions.append(part)
        weights.append(np.full(len(part), weight / len(part)))
    return np.concatenate(positions).astype(np.int32), np.concatenate(weights)


def _propensity(decision: Decision, positions: Positions) -> Floats:
    """Probability of each, every distinct combination asked for once."""
    distinct, at = np.unique(positions, axis=0, return_inverse=True)
    return np.asarray(decision.propensity(distinct)[at.ravel()])
