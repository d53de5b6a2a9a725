"""Why a decision fell as it did: the combinations that were proposed, and the credit of every element served."""

from __future__ import annotations

import logging

import numpy as np

from genco.serving.schemas import AttributionOut, CandidateOut, CreditOut, DecidedSlot, EventValueOut
from genco.serving.served_model import Combination, Question, ServedModel

log = logging.getLogger(__name__)
NUM_CANDIDATES = 10


def explained(
    model: ServedModel, question: Question, served: Combination
) -> tuple[list[CandidateOut], AttributionOut] | None:
    """Proposed combinations, best first, and the credit of the one served; None where it cannot be said."""
    try:
        policy, event_value = model.policy, _event_value(model, question)
        worth = None if event_value is None else event_value.value
        request = policy.request(question.product, question.context, question.pinned, question.excluded)
        rng = policy.rng("explain", question.product, question.context.tobytes().hex())
        found = policy.propose(request, NUM_CANDIDATES, rng)
        propensity = policy.decide(request).propensity(found.positions)
        candidates = [
            CandidateOut(
                slots=_slots(model, model.ids(found.space, found.positions[i])),
                propensity=float(propensity[i]),
                uplift=float(found.uplift[i]),
                click_probability=float(found.click_probability[i]),
                expected_revenue=None if worth is None else float(found.click_probability[i]) * worth,
            )
            for i in range(len(found.positions))
        ]
        positions = model.positions(request.space, served)
        attribution = policy.attribution(request, positions[None])
    except Exception:  # the decision stands and is logged; only its explanation is missing
        log.exception("a decision could not be explained")
        return None
    low, high = attribution.interval()
    parts = {name: getattr(attribution, name) for name in ("own", "interaction", "residual", "total")}
    parts |= {"low": low, "high": high}
    credits = [
        CreditOut(slot_id=name, element_id=element, **{part: float(values[0, slot]) for part, values in parts.items()})
        for slot, (name, element) in enumerate(zip(model.slot_names, served, strict=True))
    ]
    uplift = policy.scores(request, positions[None])
    probability = float(np.asarray(policy.click_probability(request, uplift))[0])
    return candidates, AttributionOut(
        unit="logit",
        uplift=float(uplift[0]),
        click_probability=probability,
        rate_of=model.optimizer.meta.reward,  # type: ignore[arg-type]
        expected_revenue=None if worth is None else probability * worth,
        event_value=event_value,
        elements=credits,
    )


def _event_value(model: ServedModel, question: Question) -> EventValueOut | None:
    """What one event of the product is worth, where the run was trained on revenue."""
    value = model.optimizer.value
    if value is None:
        return None
    product_id = str(model.catalogue.products["product_id"][question.product])
    low, high = value.interval(product_id) or (None, None)
    return EventValueOut(value=value.of(product_id), low=low, high=high)


def _slots(model: ServedModel, combination: Combination) -> list[DecidedSlot]:
    return [DecidedSlot(id=name, element_id=e) for name, e in zip(model.slot_names, combination, strict=True)]
