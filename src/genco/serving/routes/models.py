"""GET and POST /v1/models, /v1/models/{version}/promote, /advance and /rollback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving import registry
from genco.serving.arms import Serving
from genco.serving.decider import ONLINE
from genco.serving.errors import ApiError
from genco.serving.keys import Key
from genco.serving.registry import ModelVersion
from genco.serving.rollout import Plan
from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.schemas import ModelOut, ModelsAnswer, PromoteIn, RolloutOut, RunIn
from genco.serving.service import Service

router = APIRouter(tags=["models"])


@router.get("/v1/models", response_model=ModelsAnswer, **described(None))
async def models(request: Request) -> Response:
    """Versions that can be served, newest first."""
    service = service_of(request)
    await service.gate.require(request, "read")
    return await _all(service)


@router.post("/v1/models", response_model=ModelsAnswer, **described(RunIn, 413, 422))
async def register(request: Request) -> Response:
    """Make a run known, such as one trained on an export of this service's log."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    path = Path(parsed(RunIn, await read_body(request)).path)
    entry = await asyncio.to_thread(service.live.register, path)
    await service.act(key, "register_model", {"version": entry.version, "path": entry.path})
    return await _all(service)


@router.post("/v1/models/{version}/promote", response_model=ModelsAnswer, **described(PromoteIn, 404, 409, 413, 422))
async def promote(request: Request, version: str) -> Response:
    """Serve this version; learning goes on from it. Staged: to a growing share of actors."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    ask = parsed(PromoteIn, await read_body(request) or b"{}")
    if not ask.staged:
        return await _change(service, key, "promote_model", version, service.live.promote)
    if service.config.mode != ONLINE:
        raise ApiError(409, "not_online", f"Only in mode online do two models answer. Found {service.config.mode}.")
    plan = Plan(tuple(ask.stages), ask.minutes, ask.min_decisions)
    begun = await asyncio.to_thread(service.live.begin_rollout, version, plan)
    await service.act(key, "begin_rollout", {"version": version, "rollout": begun.number, **asdict(plan)})
    return await _all(service)


@router.post("/v1/models/{version}/advance", response_model=ModelsAnswer, **described(None, 404, 409, 422))
async def advance(request: Request, version: str) -> Response:
    """Enter the next stage of this version's rollout now."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    return await _change(service, key, "advance_rollout", version, service.live.advance)


@router.post("/v1/models/{version}/rollback", response_model=ModelsAnswer, **described(None, 404, 409, 422))
async def rollback(request: Request, version: str) -> Response:
    """Serve what this version took over from; learning rests until a version is promoted. Where the version is being
    rolled out, everybody is served the other one again, and its learning goes on."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    return await _change(service, key, "roll_back_model", version, service.live.roll_back)


async def _change(
    service: Service, key: Key, act: str, version: str, change: Callable[[str], ModelVersion]
) -> Response:
    now_served = await asyncio.to_thread(change, version)
    await service.act(key, act, {"version": version, "served": now_served.version})
    return await _all(service)


async def _all(service: Service) -> Response:
    found = await asyncio.to_thread(registry.versions, service.engine)
    models = [ModelOut(**vars(entry)) for entry in found]
    return answer(ModelsAnswer(learning=service.live.learning, rollout=_rollout(service.live.serving), models=models))


def _rollout(serving: Serving) -> RolloutOut | None:
    under_way = serving.rollout
    if under_way is None:
        return None
    plan = under_way.plan
    return RolloutOut(
        number=under_way.number,
        candidate=under_way.candidate,
        started_from=under_way.started_from,
        control=serving.control.version.version,
        stages=list(plan.stages),
        stage=under_way.stage,
        minutes=plan.minutes,
        min_decisions=plan.min_decisions,
        started_at=under_way.started_at,
        stage_at=under_way.stage_at,
    )
