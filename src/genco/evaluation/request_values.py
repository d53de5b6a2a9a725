"""What each way of choosing is worth on one request, by the simulator's truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError
from genco.policies.generative import GenerativePolicy, Request
from genco.protocols import Truth
from genco.runtime.legal_space import LegalSpace
from genco.runtime.refine import AdditiveTables, coordinate_ascent, enumerate_scores
from genco.simulator.ascent import best_by_ascent
from genco.simulator.reference import pruned_best
from genco.types import MAX_ENUMERATED

NUM_PROPOSALS = 16
SMALL_SPACE = 200_000
ASCENT_STARTS = 1_000
SERVED_DRAWS = 256
UNIFORM_DRAWS = 20_000
Positions = NDArray[np.int32]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class RequestValues:
    """Click probability of what each policy shows, by key; and of the 16 proposals, how many are distinct.

    exact: whether uniform play and the oracle were enumerated · shown: the combination the whole method picks,
    predicted and true probability, for calibration on chosen combinations.
    """

    values: dict[str, float]
    distinct: int
    hamming: float
    exact: bool
    predicted: float
    actual: float


def request_values(
    truth: Truth,
    policy: GenerativePolicy,
    product: int,
    context_number: int,
    context: NDArray[np.float32],
    smoothed: Callable[[NDArray[np.int32]], NDArray[np.float64]],
    served: bool = True,
) -> RequestValues:
    """Evaluate one request. `smoothed` maps element rows to smoothed click rates (the independent-components
    baseline)."""
    request = policy.request(product, context)
    space, tables = request.space, request.tables
    candidates = list(space.candidates)
    rng = policy.rng("evaluate", product, context_number)

    def probability(positions: Positions) -> Probabilities:
        rows = policy.rows(space, positions)
        batch = len(rows)
        logit = truth.logit(np.full(batch, product, np.int32), np.full(batch, context_number, np.int32), rows)
        return np.asarray(1.0 / (1.0 + np.exp(-logit)))

    values: dict[str, float] = {}
    legal = space.enumerate(SMALL_SPACE) if space.size_bound <= SMALL_SPACE else None
    if legal is not None:
        chance = probability(legal)
        values["uniform"], values["oracle"] = float(chance.mean()), float(chance.max())
        best = legal[int(_scores(policy, request, legal).argmax())]
    else:
        values["uniform"] = float(probability(_uniform_draws(space, rng)).mean())
        values["oracle"] = float(probability(_true_best(truth, space, product, context_number, False))[0])
        starts = space.sample_uniform(rng, ASCENT_STARTS)
        climbed, _ = coordinate_ascent(tables, space, starts)
        best = climbed[int(policy.scores(request, climbed).argmax())]
    values["reward_model_argmax"] = float(probability(best[None])[0])
    if truth.has_content:
        if legal is not None:
            top = int(_content(truth, product, context_number, policy.rows(space, legal)).argmax())
            values["content_ceiling"] = float(chance[top])
        else:
            found = _true_best(truth, space, product, context_number, True)
            values["content_ceiling"] = float(probability(found)[0])
    proposed, _ = request.policy.propose(NUM_PROPOSALS, rng)
    values["generator_top1"] = float(probability(proposed[:1])[0])
    own_best = proposed[int(policy.scores(request, proposed).argmax())]
    values["best_of_16"] = float(probability(own_best[None])[0])
    climbed, _ = coordinate_ascent(tables, space, proposed)
    uplift = policy.scores(request, climbed)
    refined = climbed[int(uplift.argmax())]
    values["refined"] = float(probability(refined[None])[0])
    starts, _ = coordinate_ascent(tables, space, space.sample_uniform(rng, NUM_PROPOSALS))
    random_best = starts[int(policy.scores(request, starts).argmax())]
    values["random_start_refined"] = float(probability(random_best[None])[0])
    values["independent_components"] = float(probability(_independent(space, candidates, smoothed)[None])[0])
    if served:
        values["served"] = _served(policy, request, probability, legal, rng)
    predicted = float(policy.click_probability(request, uplift[[int(uplift.argmax())]])[0])
    differing = (proposed[:, None, :] != proposed[None, :, :]).sum(axis=2)
    pairs = max(len(proposed) * (len(proposed) - 1), 1)
    return RequestValues(
        values,
        len(np.unique(proposed, axis=0)),
        float(differing.sum() / pairs),
        space.size_bound <= MAX_ENUMERATED,
        predicted,
        values["refined"],
    )


def _scores(policy: GenerativePolicy, request: Request, legal: Positions) -> NDArray[np.floating]:
    if policy.bound.model.residual is not None:
        return policy.scores(request, legal)
    flat = enumerate_scores(request.tables)
    return np.asarray(flat[tuple(legal.T)])


def _content(truth: Truth, product: int, context: int, rows: NDArray[np.int32]) -> NDArray[np.float64]:
    batch = len(rows)
    return truth.content_logit(np.full(batch, product, np.int32), np.full(batch, context, np.int32), rows)


def _uniform_draws(space: LegalSpace, rng: np.random.Generator) -> Positions:
    """Legal combinations [num, slot], all alike; slot by slot where rules leave too few of all combinations."""
    drawn = np.column_stack([rng.integers(size, size=UNIFORM_DRAWS, dtype=np.int32) for size in space.sizes])
    legal = drawn[space.is_legal(drawn)]
    return legal if len(legal) >= UNIFORM_DRAWS // 100 else space.sample_uniform(rng, UNIFORM_DRAWS)


def _true_best(truth: Truth, space: LegalSpace, product: int, context: int, content: bool) -> Positions:
    """Best legal combination of a large space by the true (or content) logit [1, slot].

    Exact up to `MAX_ENUMERATED` combinations; beyond, by coordinate ascent, which under rules climbs on own and pair
    effects alone.
    """
    tables = truth.slot_tables(product, context, list(space.candidates), content)
    if tables is None:
        raise DataError(
            f"A table of true rates should have at most {SMALL_SPACE:,} combinations. Found {space.size_bound:,}."
        )
    if space.size_bound <= MAX_ENUMERATED:
        best, _ = pruned_best(tables, space.is_legal if space.is_constrained else None)
        assert best is not None
        return best[None]
    if not space.is_constrained:
        return np.asarray(best_by_ascent(tables, ASCENT_STARTS)[0], dtype=np.int32)[None]
    additive = AdditiveTables(
        own=tuple(own.astype(np.float32) for own in tables.own),
        factors=tuple(style.astype(np.float32) for style in tables.style),
        bilinear={pair: matrix.astype(np.float32) for pair, matrix in tables.bilinear.items()},
    )
    starts = space.sample_uniform(np.random.default_rng(0), ASCENT_STARTS)
    reached, _ = coordinate_ascent(additive, space, starts)
    return reached[[int(tables.score(reached).argmax())]]


def _independent(
    space: LegalSpace,
    candidates: list[NDArray[np.int32]],
    smoothed: Callable[[NDArray[np.int32]], NDArray[np.float64]],
) -> Positions:
    """Each slot's best element by smoothed click rate, slot by slot among what is still legal [slot]."""
    prefix = np.zeros((1, 0), dtype=np.int32)
    for rows in candidates:
        rate = np.where(space.mask(prefix)[0], smoothed(rows), -np.inf)
        prefix = np.concatenate([prefix, [[int(rate.argmax())]]], axis=1).astype(np.int32)
    return np.asarray(prefix[0], dtype=np.int32)


def _served(
    policy: GenerativePolicy,
    request: Request,
    probability: Callable[[Positions], Probabilities],
    legal: Positions | None,
    rng: np.random.Generator,
) -> float:
    """Expected click probability under the decision policy: exact over enumerated spaces, else over draws."""
    decision = policy.decide(request)
    if legal is not None:
        return float(decision.propensity(legal) @ probability(legal))
    return float(probability(decision.sample(rng, SERVED_DRAWS)).mean())
