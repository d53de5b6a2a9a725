"""The wire format of Azure AI Personalizer, for its public client. Actions are elements of the catalogue, by id.

The product is the context feature `product_id`, else the one that owns the actions, else the catalogue's only one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.decider import MODEL
from genco.serving.errors import ApiError
from genco.serving.joiner import ACTIVATION, REWARD
from genco.serving.personalizer_schemas import (
    MultiSlotRank,
    MultiSlotRanked,
    MultiSlotReward,
    PersonalizerRank,
    RankedAction,
    SingleSlotRank,
    SingleSlotRanked,
    SingleSlotReward,
)
from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.routes.decide import decide_and_log
from genco.serving.routes.events import report_one
from genco.serving.schemas import Candidate, DecideAnswer, DecideRequest, SlotCandidates, SlotElement
from genco.serving.served_model import Question, ServedModel
from genco.serving.service import Service

router = APIRouter(prefix="/personalizer", tags=["personalizer"])
PRODUCT_FEATURE = "product_id"


@router.post(
    "/multislot/rank",
    response_model=MultiSlotRanked,
    status_code=201,
    **described(MultiSlotRank, 404, 409, 413, 422),
)
async def rank_multi_slot(request: Request) -> Response:
    """Choose one action a slot."""
    service = service_of(request)
    key = await service.gate.require(request, "decide")
    body = await read_body(request)
    rank = parsed(MultiSlotRank, body)
    asked = {slot.id: frozenset(slot.excludedActions) for slot in rank.slots}
    if set(asked) != set(service.model.slot_names) or len(asked) != len(rank.slots):
        raise ApiError(422, "unknown_id", f"The slots should be those of the run: {service.model.slot_names}.")
    baseline = [SlotElement(slot_id=slot.id, element_id=slot.baselineAction) for slot in rank.slots]
    made = await decide_and_log(service, key, _ask(service.model, rank, asked, baseline), _digest(body))
    chosen = {slot.id: slot.element_id for slot in made.slots}
    slots = [{"id": slot.id, "rewardActionId": chosen[slot.id]} for slot in rank.slots]
    return answer(MultiSlotRanked(eventId=made.event_id, slots=slots), 201)


@router.post("/rank", response_model=SingleSlotRanked, status_code=201, **described(SingleSlotRank, 404, 409, 413, 422))
async def rank_single_slot(request: Request) -> Response:
    """Choose one action; for runs of one slot. The baseline is the first action that may be shown now."""
    service = service_of(request)
    key = await service.gate.require(request, "decide")
    body = await read_body(request)
    rank, model = parsed(SingleSlotRank, body), service.model
    if len(model.slot_names) != 1:
        raise ApiError(422, "several_slots", f"The run has the slots {model.slot_names}: use multislot/rank.")
    allowed = [action.id for action in rank.actions if action.id not in rank.excludedActions]
    if not allowed:
        raise ApiError(422, "no_legal_combination", "Every action is excluded.")
    ask = _ask(model, rank, {model.slot_names[0]: frozenset(rank.excludedActions)}, [])
    legal = {combination[0] for combination in model.legal(_question(model, ask))}
    first = next((name for name in allowed if name in legal), None)
    ask = ask.model_copy(update={"baseline": [SlotElement(slot_id=model.slot_names[0], element_id=first)]})
    made = await decide_and_log(service, key, ask, _digest(body))
    ranking = [
        RankedAction(id=action.id, probability=probability)
        for action, probability in zip(rank.actions, _probabilities(service, ask, made, rank), strict=True)
    ]
    ranking.sort(key=lambda action: -action.probability)
    return answer(
        SingleSlotRanked(eventId=made.event_id, ranking=ranking, rewardActionId=made.slots[0].element_id), 201
    )


@router.post("/multislot/events/{event_id:path}/reward", status_code=204, **described(MultiSlotReward, 404, 413, 422))
async def reward_multi_slot(request: Request, event_id: str) -> Response:
    """Reward slots of a decision."""
    service = service_of(request)
    key = await service.gate.require(request, "ingest")
    for reward in parsed(MultiSlotReward, await read_body(request)).reward:
        row = {"event_id": event_id, "kind": REWARD, "slot_id": reward.slotId, "value": reward.value}
        await report_one(service, key, row)
    return Response(status_code=204)


@router.post("/events/{event_id:path}/reward", status_code=204, **described(SingleSlotReward, 404, 413, 422))
async def reward_single_slot(request: Request, event_id: str) -> Response:
    """Reward a decision."""
    service = service_of(request)
    key = await service.gate.require(request, "ingest")
    value = parsed(SingleSlotReward, await read_body(request)).value
    await report_one(service, key, {"event_id": event_id, "kind": REWARD, "value": value})
    return Response(status_code=204)


@router.post("/multislot/events/{event_id:path}/activate", status_code=204, **described(None, 404, 422))
async def activate_multi_slot(request: Request, event_id: str) -> Response:
    """Say that a decision was shown."""
    return await _activate(request, event_id)


@router.post("/events/{event_id:path}/activate", status_code=204, **described(None, 404, 422))
async def activate_single_slot(request: Request, event_id: str) -> Response:
    """Say that a decision was shown."""
    return await _activate(request, event_id)


async def _activate(request: Request, event_id: str) -> Response:
    service = service_of(request)
    key = await service.gate.require(request, "ingest")
    await report_one(service, key, {"event_id": event_id, "kind": ACTIVATION})
    return Response(status_code=204)


def _ask(
    model: ServedModel, rank: PersonalizerRank, excluded: Mapping[str, frozenset[str]], baseline: list[SlotElement]
) -> DecideRequest:
    """The request in our words. excluded: slot -> actions it may not show."""
    context = dict(_leaves(rank.contextFeatures))
    actions = [action.id for action in rank.actions]
    product = context.get(PRODUCT_FEATURE) or model.product_of(actions)
    if not isinstance(product, str):
        raise ApiError(422, "product_unclear", f"Send the context feature {PRODUCT_FEATURE!r}: actions do not tell it.")
    known = {name: value for name, value in context.items() if name in model.optimizer.meta.context}
    return DecideRequest(
        product_id=product,
        event_id=rank.eventId,
        context=known,
        slots=[
            SlotCandidates(
                id=slot, candidates=[Candidate(id=action) for action in model.fitting(slot, actions, left_out)]
            )
            for slot, left_out in excluded.items()
        ],
        baseline=baseline,
        defer_activation=rank.deferActivation,
    )


def _leaves(features: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Plain values of nested lists and objects, by their innermost name."""
    if isinstance(features, dict):
        for key, value in features.items():
            yield from _leaves(value, str(key))
    elif isinstance(features, list):
        for value in features:
            yield from _leaves(value, name)
    elif name:
        yield name, features


def _probabilities(service: Service, ask: DecideRequest, made: DecideAnswer, rank: PersonalizerRank) -> Sequence[float]:
    """Probability of each action; 1 for what was served where the model did not choose, or is in service no longer."""
    model = service.live.serving.model_named(made.model_version)
    if made.policy != MODEL or model is None:
        return [float(action.id == made.slots[0].element_id) for action in rank.actions]
    combinations, propensity = model.distribution(_question(model, ask))
    by_element = {combination[0]: float(p) for combination, p in zip(combinations, propensity, strict=True)}
    return [by_element.get(action.id, 0.0) for action in rank.actions]


def _question(model: ServedModel, ask: DecideRequest) -> Question:
    narrowed = {slot.id: frozenset(candidate.id for candidate in slot.candidates) for slot in ask.slots}
    return model.question(ask.product_id, ask.context, candidates=narrowed)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
