"""POST /v1/decide."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, Row, insert, select
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.candidate_sets import CandidateSet, candidate_set_of, keep
from genco.serving.decider import (
    BASELINE,
    STORE_UNAVAILABLE,
    Baseline,
    Choice,
    served_baseline,
    stored,
)
from genco.serving.errors import ApiError, StoreUnavailableError
from genco.serving.event_ids import PREFIX
from genco.serving.explanation import explained
from genco.serving.keys import Key
from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.schemas import DecideAnswer, DecidedSlot, DecideRequest, SlotElement
from genco.serving.served_model import Combination, Question, ServedModel
from genco.serving.service import Service
from genco.serving.tables import decisions

router = APIRouter()
STORE_SECONDS = 2.0


@router.post("/v1/decide", response_model=DecideAnswer, tags=["decide"], **described(DecideRequest, 404, 409, 413, 422))
async def decide(request: Request) -> Response:
    """Choose one element a slot. Answered once the decision is in the store."""
    started = time.perf_counter()
    service = service_of(request)
    key = await service.gate.require(request, "decide")
    body = await read_body(request)
    ask = parsed(DecideRequest, body)
    made = await decide_and_log(service, key, ask, hashlib.blake2b(body, digest_size=16).hexdigest())
    if ask.explain:
        made = await asyncio.to_thread(_explained, service, ask, made)
    return answer(made.model_copy(update={"took_ms": round(1e3 * (time.perf_counter() - started), 3)}))


async def decide_and_log(service: Service, key: Key, ask: DecideRequest, digest: str) -> DecideAnswer:
    """Choose, write the decision into the store, answer. digest: of the request, to know a repeated one. Raises
    `ApiError`, also where the key was revoked meanwhile.

    A store that does not answer never stops a decision: the baseline is served, and not logged. It gets another minted
    id, for a commit whose answer was lost may have stored the first one with a combination that is not served.
    """
    if ask.event_id is not None and ask.event_id.startswith(PREFIX):
        raise ApiError(422, "reserved_event_id", f"Event ids that begin with {PREFIX!r} are minted by the service.")
    if ask.baseline_propensity is not None and not ask.baseline:
        raise ApiError(422, "invalid_body", "baseline_propensity: a `baseline` should be sent with it. Found none.")
    serving, decided_at = service.live.serving, service.clock.now()
    event_id = ask.event_id or service.ids.mint()
    actor = None if ask.actor_id is None else service.ids.actor(ask.actor_id)
    held_out = actor is not None and service.ids.holds_out(actor, service.config.holdout)
    arm = None if held_out else serving.arm_of(service.ids, actor or event_id)
    served = serving.model(arm)
    ask = _without(ask, served.withheld)
    brought = candidate_set_of(ask.product_id, ask.slots, served.catalogue) if ask.slots else None
    model = served if brought is None else await asyncio.to_thread(served.with_candidates, ask.product_id, brought)
    question = _question(model, ask) if brought is None else _question(model, _within(ask, model, served))
    given = {entry.slot_id: entry.element_id for entry in ask.baseline}
    own = model.check_legal(question.space, given) if given else None
    baseline = Baseline(lambda: own or model.baseline(question.space), ask.baseline_propensity)
    choosing = time.perf_counter()
    choice = await service.decider.choose(model, question, baseline, held_out, ask.timeout_ms)
    took_us = None if arm is None else round(1e6 * (time.perf_counter() - choosing))
    row = _row(service, model, ask, choice, event_id, decided_at, actor, digest) | {"arm": arm, "took_us": took_us}
    row |= {"candidates": None if brought is None else brought.digest, "narrowed": not question.is_plain}
    try:
        if ask.event_id is None and brought is None:
            await stored(service.writer.submit_row(row), STORE_SECONDS)
        else:
            earlier = await stored(
                service.writer.submit(lambda connection: _insert_once(connection, row, brought)), STORE_SECONDS
            )
            if earlier is not None:
                service.gate.confirm(key)
                return _repeated(service, model, question, earlier, digest)
    except (StoreUnavailableError, TimeoutError):
        choice = served_baseline(baseline, BASELINE, STORE_UNAVAILABLE)
        event_id = ask.event_id or service.ids.mint()
    service.gate.confirm(key)
    service.metrics.decisions.labels(choice.policy, choice.reason).inc()
    return _answer(service, model, choice, event_id)


def _question(model: ServedModel, ask: DecideRequest) -> Question:
    pinned = {entry.slot_id: _pinned(entry) for entry in ask.pinned}
    narrowed = {slot.id: frozenset(candidate.id for candidate in slot.candidates) for slot in ask.slots}
    return model.question(ask.product_id, ask.context, pinned, ask.excluded, narrowed)


def _without(ask: DecideRequest, withheld: frozenset[str]) -> DecideRequest:
    """The request without candidates that may not be shown."""
    if not withheld or not ask.slots:
        return ask
    return ask.model_copy(
        update={
            "slots": [
                slot.model_copy(update={"candidates": [entry for entry in slot.candidates if entry.id not in withheld]})
                for slot in ask.slots
            ]
        }
    )


def _within(ask: DecideRequest, model: ServedModel, whole: ServedModel) -> DecideRequest:
    """The request without names that only the whole catalogue has: they cannot be shown here anyway."""

    def may_be_named(element: str) -> bool:
        return element in model.catalogue.element_rows or element not in whole.catalogue.element_rows

    slots = [
        slot.model_copy(update={"candidates": [entry for entry in slot.candidates if may_be_named(entry.id)]})
        for slot in ask.slots
    ]
    return ask.model_copy(update={"slots": slots, "excluded": list(filter(may_be_named, ask.excluded))})


def _explained(service: Service, ask: DecideRequest, made: DecideAnswer) -> DecideAnswer:
    """The answer with candidates and attribution, where the model that is named in it is in service, and the catalogue
    has not changed since so that it could not be asked again."""
    try:
        return _explained_now(service, ask, made)
    except ApiError:
        return made


def _explained_now(service: Service, ask: DecideRequest, made: DecideAnswer) -> DecideAnswer:
    model = service.live.serving.model_named(made.model_version)
    served = tuple(slot.element_id for slot in made.slots)
    if model is None:
        return made
    ask = _without(ask, model.withheld)
    brought = candidate_set_of(ask.product_id, ask.slots, model.catalogue)
    if brought is not None:
        whole, model = model, model.with_candidates(ask.product_id, brought)
        ask = _within(ask, model, whole)
    found = explained(model, _question(model, ask), served)
    return made if found is None else made.model_copy(update={"candidates": found[0], "attribution": found[1]})


def _pinned(entry: SlotElement) -> str:
    if entry.element_id is None:
        raise ApiError(422, "invalid_body", f"pinned: slot {entry.slot_id!r} should name an element. Found null.")
    return entry.element_id


def _row(
    service: Service,
    model: ServedModel,
    ask: DecideRequest,
    choice: Choice,
    event_id: str,
    decided_at: int,
    actor: str | None,
    digest: str,
) -> dict[str, Any]:
    learned = choice.model_combination
    return {
        "event_id": event_id,
        "decided_at": decided_at,
        "product_id": ask.product_id,
        "context": json.dumps(ask.context, separators=(",", ":")),
        "combination": json.dumps(choice.combination, separators=(",", ":")),
        "propensity": choice.propensity,
        "policy": choice.policy,
        "mode": service.config.mode,
        "reason": choice.reason,
        "model_version": model.version,
        "catalogue_version": model.catalogue_version,
        "model_combination": None if learned is None else json.dumps(learned, separators=(",", ":")),
        "activated": not ask.defer_activation,
        "actor": actor,
        "digest": digest,
    }


def _insert_once(connection: Connection, row: dict[str, Any], brought: CandidateSet | None) -> Row[Any] | None:
    """Insert the decision and the candidates brought along, or return the one that has its event_id already."""
    found = connection.execute(select(decisions).where(decisions.c.event_id == row["event_id"])).one_or_none()
    if found is None:
        connection.execute(insert(decisions).values(**row))
        if brought is not None:
            keep(connection, brought)
    return found


def _repeated(service: Service, model: ServedModel, question: Question, row: Row[Any], digest: str) -> DecideAnswer:
    """The stored answer to a repeated request. Raises `ApiError` 409 where the request was another one, or where what
    was answered may not be shown now."""
    if row.digest != digest:
        raise ApiError(409, "event_id_reused", f"Decision {row.event_id!r} answered another request.")
    combination = tuple(json.loads(row.combination))
    if not model.may_show(question.space, combination):
        message = f"What decision {row.event_id!r} answered may not be shown any more: ask again with another event_id."
        raise ApiError(409, "answer_withdrawn", message)
    learned = None if row.model_combination is None else tuple(json.loads(row.model_combination))
    choice = Choice(combination, row.propensity, row.policy, row.reason, learned)
    made = _answer(service, model, choice, row.event_id)
    return made.model_copy(update={"mode": row.mode, "model_version": row.model_version})


def _answer(service: Service, model: ServedModel, choice: Choice, event_id: str) -> DecideAnswer:
    learned = choice.model_combination
    return DecideAnswer.model_construct(
        event_id=event_id,
        slots=_slots(model, choice.combination),
        propensity=choice.propensity,
        policy=choice.policy,
        mode=service.config.mode,
        reason=choice.reason,
        model_version=model.version,
        model_slots=None if learned is None else _slots(model, learned),
        took_ms=0.0,
    )


def _slots(model: ServedModel, combination: Combination) -> list[DecidedSlot]:
    pairs = zip(model.slot_names, combination, strict=True)
    return [DecidedSlot.model_construct(id=name, element_id=element) for name, element in pairs]
