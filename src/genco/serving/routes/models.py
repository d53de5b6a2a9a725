"""GET and POST /v1/models, /v1/models/{version}/promote, /advance and /rollback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from genco.serving import registry
from genco.serving.arms import Serving
from genco.serving.audit import note
from genco.serving.decider import ONLINE
from genco.serving.errors import ApiError
from genco.serving.guardrails import Evidence, difference
from genco.serving.keys import Key
from genco.serving.live_model import Also
from genco.serving.rollout import CANDIDATE, CONTROL, Plan
from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.schemas import ArmOut, DifferenceOut, ModelOut, ModelsAnswer, PromoteIn, RolloutOut, RunIn
from genco.serving.service import Service

router = APIRouter(tags=["models"])


@router.get("/v1/models", response_model=ModelsAnswer, **described(None))
async def models(request: Request) -> Response:
    """Versions that can be served, newest first."""
    service = service_of(request)
    await service.gate.require(request, "read")
    return await _all(request)


@router.post("/v1/models", response_model=ModelsAnswer, **described(RunIn, 413, 422))
async def register(request: Request) -> Response:
    """Make a run known, such as one trained on an export of this service's log."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    path = Path(parsed(RunIn, await read_body(request)).path)

    def noted(connection: Connection, version: str) -> None:
        detail = {"version": version, "path": str(path)}
        note(connection, service.clock.now(), key.key_id, "register_model", detail)

    await asyncio.to_thread(service.live.register, path, None, noted)
    return await _all(request)


@router.post("/v1/models/{version}/promote", response_model=ModelsAnswer, **described(PromoteIn, 404, 409, 413, 422))
async def promote(request: Request, version: str) -> Response:
    """Serve this version; learning goes on from it. Staged: to a growing share of actors."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    ask = parsed(PromoteIn, await read_body(request) or b"{}")
    if not ask.staged:
        noted = noted_as(service, key, "promote_model", {"version": version})
        await asyncio.to_thread(service.live.promote, version, registry.PROMOTE, noted)
        return await _all(request)
    if service.config.mode != ONLINE:
        raise ApiError(409, "not_online", f"Only in mode online do two models answer. Found {service.config.mode}.")
    plan = Plan(tuple(ask.stages), ask.minutes, ask.min_decisions)
    noted = noted_as(service, key, "begin_rollout", {"version": version, **asdict(plan)})
    await asyncio.to_thread(service.live.begin_rollout, version, plan, noted)
    return await _all(request)


@router.post("/v1/models/{version}/advance", response_model=ModelsAnswer, **described(None, 404, 409, 422))
async def advance(request: Request, version: str) -> Response:
    """Enter the next stage of this version's rollout now."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    await asyncio.to_thread(
        service.live.advance, version, noted_as(service, key, "advance_rollout", {"version": version})
    )
    return await _all(request)


@router.post("/v1/models/{version}/rollback", response_model=ModelsAnswer, **described(None, 404, 409, 422))
async def rollback(request: Request, version: str) -> Response:
    """Serve what this version took over from; learning rests until a version is promoted. Where the version is being
    rolled out, everybody is served the other one again, and its learning goes on."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    noted = noted_as(service, key, "roll_back_model", {"version": version})
    await asyncio.to_thread(service.live.roll_back, version, noted)
    return await _all(request)


def noted_as(service: Service, key: Key, act: str, detail: Mapping[str, Any]) -> Also:
    """Writes the act into the audit log, in the act's own transaction."""

    def write(connection: Connection, served: str) -> None:
        note(connection, service.clock.now(), key.key_id, act, {**detail, "served": served})

    return write


async def _all(request: Request) -> Response:
    service = service_of(request)
    found = await asyncio.to_thread(registry.versions, service.engine)
    serving = service.live.serving
    rollout = (
        None if serving.rollout is None else rollout_out(serving, request.app.state.guard.evidence(serving.rollout))
    )
    models = [ModelOut(**vars(entry)) for entry in found]
    return answer(ModelsAnswer(learning=service.live.learning, rollout=rollout, models=models))


def rollout_out(serving: Serving, evidence: Evidence | None) -> RolloutOut:
    """The rollout under way. evidence: of its stage, None before it was first looked at."""
    under_way = serving.rollout
    assert under_way is not None
    found = None if evidence is None else difference(evidence.decisions, evidence.reward)
    return RolloutOut(
        number=under_way.number,
        started_from=under_way.started_from,
        arms=[_arm(serving, 0, CONTROL, evidence), _arm(serving, 1, CANDIDATE, evidence)],
        difference=None if found is None else DifferenceOut(point=found[0], low=found[1], high=found[2]),
        stages=list(under_way.plan.stages),
        stage=under_way.stage,
        minutes=under_way.plan.minutes,
        min_decisions=under_way.plan.min_decisions,
        started_at=under_way.started_at,
        stage_at=under_way.stage_at,
    )


def _arm(serving: Serving, place: int, name: Literal["control", "candidate"], evidence: Evidence | None) -> ArmOut:
    version = serving.model(name).version
    if evidence is None:
        return ArmOut(arm=name, version=version)
    num, recent = int(evidence.decisions[place].sum()), evidence.recent[place]
    return ArmOut(
        arm=name,
        version=version,
        decisions=num,
        mean_reward=float(evidence.reward[place].sum()) / num if num else None,
        error_rate=recent.error_rate if recent.num else None,
        p99_ms=recent.p99_ms,
    )
