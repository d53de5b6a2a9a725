"""GET and POST /v1/models, /v1/models/{version}/promote and /rollback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving import registry
from genco.serving.registry import ModelVersion
from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.schemas import ModelOut, ModelsAnswer, RunIn
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


@router.post("/v1/models/{version}/promote", response_model=ModelsAnswer, **described(None, 404, 422))
async def promote(request: Request, version: str) -> Response:
    """Serve this version; learning goes on from it."""
    return await _change(request, "promote_model", version, service_of(request).live.promote)


@router.post("/v1/models/{version}/rollback", response_model=ModelsAnswer, **described(None, 404, 409, 422))
async def rollback(request: Request, version: str) -> Response:
    """Serve what was served before this version; learning rests until a version is promoted."""
    return await _change(request, "roll_back_model", version, service_of(request).live.roll_back)


async def _change(request: Request, act: str, version: str, change: Callable[[str], ModelVersion]) -> Response:
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    now_served = await asyncio.to_thread(change, version)
    await service.act(key, act, {"version": version, "served": now_served.version})
    return await _all(service)


async def _all(service: Service) -> Response:
    found = await asyncio.to_thread(registry.versions, service.engine)
    return answer(ModelsAnswer(learning=service.live.learning, models=[ModelOut(**vars(entry)) for entry in found]))
