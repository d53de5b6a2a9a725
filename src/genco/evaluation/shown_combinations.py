"""The best combinations of a few products, each explained from the product's appeal to the predicted click rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.evaluation.element_table import ElementView, element_view
from genco.evaluation.report_requests import ReportRequest
from genco.policies.generative import Request
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.runtime.attribution import Z_95, Attribution, slot_features

NUM_PROPOSALS = 64
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """What one slot adds, in logits: its own effect, its interactions with the other slots, the attention residual."""

    slot: str
    element: ElementView
    own: float
    interaction: float
    residual: float


@dataclass(frozen=True)
class ShownCombination:
    """One card: appeal + steps + calibration = logit, of probability `click_probability`, 95% interval [low, high].

    appeal: logit of the average card of the product · calibration: correction of stage 2 on held-out rows, in logits ·
    truth: the true probability, None without truth.
    """

    steps: tuple[Step, ...]
    appeal: float
    calibration: float
    logit: float
    click_probability: float
    low: float
    high: float
    truth: float | None


@dataclass(frozen=True)
class ShownProduct:
    """The best combinations of one product in one context. average: predicted click rate of its average card."""

    product_id: str
    context: dict[str, str]
    impressions: float
    average: float
    combinations: tuple[ShownCombination, ...]


def shown_product(
    optimizer: Optimizer, wanted: ReportRequest, impressions: float, truth: Truth | None, num: int
) -> ShownProduct:
    """The `num` best combinations of a request, those of the same elements in another order left out.

    impressions: of the product in the log. Raises `RuleError`.
    """
    policy = optimizer.policy
    request = policy.request(wanted.product, wanted.context)
    best = policy.propose(request, NUM_PROPOSALS, policy.rng("report", wanted.product))
    kept = _different_elements(optimizer, best.rows)[:num]
    average = float(policy.click_probability(request, np.zeros(1, dtype=np.float32))[0])
    return ShownProduct(
        product_id=str(optimizer.catalogue.products["product_id"][wanted.product]),
        context={name: str(value) for name, value in wanted.values.items()},
        impressions=impressions,
        average=average,
        combinations=explained(optimizer, request, best.positions[kept], impressions, wanted, truth),
    )


def explained(
    optimizer: Optimizer,
    request: Request,
    positions: NDArray[np.int32],
    impressions: float,
    wanted: ReportRequest | None = None,
    truth: Truth | None = None,
) -> tuple[ShownCombination, ...]:
    """Combinations `positions` [batch, slot] of a request, from the product's appeal to the predicted rate.

    wanted: the request as the truth knows it.
    """
    policy = optimizer.policy
    rows = policy.rows(request.space, positions)
    credit = policy.attribution(request, positions)
    average = float(policy.click_probability(request, np.zeros(1, dtype=np.float32))[0])
    deviation = _deviation(optimizer, request, positions, credit, impressions, average)
    slope, intercept = policy.bound.model.calibration
    appeal = float(policy.bound.appeal(request.product, request.context))
    uplift = credit.total.sum(axis=1).astype(np.float64)
    logit = appeal + slope * uplift + intercept
    actual = None if wanted is None else _true_probability(truth, wanted, rows)
    return tuple(
        ShownCombination(
            steps=_steps(optimizer, rows[i], credit, i),
            appeal=appeal,
            calibration=float((slope - 1) * uplift[i] + intercept),
            logit=float(logit[i]),
            click_probability=float(_sigmoid(logit[i])),
            low=float(_sigmoid(logit[i] - Z_95 * deviation[i])),
            high=float(_sigmoid(logit[i] + Z_95 * deviation[i])),
            truth=None if actual is None else float(actual[i]),
        )
        for i in range(len(positions))
    )


def _different_elements(optimizer: Optimizer, rows: NDArray[np.int32]) -> list[int]:
    """First combination of every set of elements, the order among slots of one component aside."""
    components = [slot.component for slot in optimizer.catalogue.slots]
    seen: dict[tuple[tuple[str, int], ...], int] = {}
    for i, row in enumerate(rows.tolist()):
        seen.setdefault(tuple(sorted(zip(components, row, strict=True))), i)
    return list(seen.values())


def _steps(optimizer: Optimizer, rows: NDArray[np.int32], credit: Attribution, i: int) -> tuple[Step, ...]:
    return tuple(
        Step(
            name,
            element_view(optimizer.catalogue, int(rows[slot]), slot),
            float(credit.own[i, slot]),
            float(credit.interaction[i, slot]),
            float(credit.residual[i, slot]),
        )
        for slot, name in enumerate(optimizer.slot_names)
    )


def _deviation(
    optimizer: Optimizer,
    request: Request,
    positions: NDArray[np.int32],
    credit: Attribution,
    impressions: float,
    rate: float,
) -> Floats:
    """Posterior standard deviation [batch] of the logit: weights, what content does not tell, the product's appeal.

    The weights act on all slots at once; what else a slot's attribution is unsure of is independent between slots. The
    appeal of a product with n impressions at rate p has precision n p (1 - p) beyond its prior.
    """
    bound = optimizer.policy.bound
    rows = optimizer.policy.rows(request.space, positions)
    batch, num_slots = rows.shape
    parts = [sum(slot_features(bound, request.product, request.context, rows, slot)) for slot in range(num_slots)]
    stacked = np.concatenate([*parts, sum(parts)]).astype(np.float64)
    used = np.flatnonzero(stacked.any(axis=0))
    stacked = stacked[:, used]
    covariance = np.asarray(bound.model.covariance[np.ix_(used, used)], dtype=np.float64)
    by_weights = np.einsum("bi,bi->b", stacked @ covariance, stacked).reshape(num_slots + 1, batch)
    beyond = np.maximum(np.square(credit.deviation.T) - by_weights[:-1], 0.0).sum(axis=0)
    uplift = np.maximum(by_weights[-1], 0.0) + beyond
    prior = bound.model.appeal.effect_variance
    appeal = 1.0 / (1.0 / prior + impressions * rate * (1 - rate)) if prior > 0 else 0.0
    slope = bound.model.calibration[0]
    return np.asarray(np.sqrt(slope**2 * uplift + appeal))


def _true_probability(truth: Truth | None, wanted: ReportRequest, rows: NDArray[np.int32]) -> Floats | None:
    number = None if truth is None else wanted.truth_context(truth)
    if truth is None or number is None:
        return None
    batch = len(rows)
    return _sigmoid(truth.logit(np.full(batch, wanted.product, np.int32), np.full(batch, number, np.int32), rows))


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))
