"""GET /health/live, /health/ready and /metrics."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from genco.serving.errors import ApiError
from genco.serving.routes.body import answer, service_of
from genco.serving.schemas import ErrorAnswer

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """model_version, mode: what is served; null where the answer is only that the process lives."""

    status: str
    model_version: str | None = None
    mode: str | None = None


@router.get("/health/live", response_model=Health)
async def live() -> Response:
    """The process answers."""
    return answer(Health(status="live"))


@router.get("/health/ready", response_model=Health, responses={503: {"model": ErrorAnswer, "description": "Not now."}})
async def ready(request: Request) -> Response:
    """The model is loaded and warm, and the store answers."""
    service = service_of(request)
    if service.stopping:
        raise ApiError(503, "stopping", "The service is stopping.", 1)
    try:
        await asyncio.to_thread(_ping, service.engine)
    except SQLAlchemyError as error:
        raise ApiError(503, "store_unavailable", "The store does not answer.", 1) from error
    return answer(Health(status="ready", model_version=service.model.version, mode=service.config.mode))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """For Prometheus. Holds counts only, so it needs no key."""
    service = service_of(request)
    service.metrics.waiting.set(service.writer.num_waiting)
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _ping(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
