"""The web application: routes, errors and OpenAPI around one service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from genco.serving import catalogue_schemas, control_schemas, personalizer_schemas, schemas
from genco.serving.edge import Edge
from genco.serving.errors import ApiError, StoreUnavailableError
from genco.serving.guard import Guard
from genco.serving.jobs import Jobs
from genco.serving.learner import Learner
from genco.serving.logs import request_id
from genco.serving.routes import (
    alarms,
    catalogue,
    controls,
    decide,
    events,
    health,
    jobs,
    models,
    personalizer,
    reports,
)
from genco.serving.routes.body import error_answer
from genco.serving.service import Service
from genco.serving.shortcut import Shortcut
from genco.serving.shown_tally import ShownTally
from genco.version import __version__

_ROUTERS = tuple(
    module.router
    for module in (decide, events, catalogue, controls, models, jobs, alarms, reports, personalizer, health)
)
_BODIES = (
    schemas.DecideRequest,
    schemas.EventsIn,
    schemas.EventIn,
    schemas.RewardIn,
    catalogue_schemas.CatalogueChange,
    control_schemas.ControlsIn,
    control_schemas.PreviewIn,
    schemas.RunIn,
    schemas.PromoteIn,
    schemas.RetrainIn,
    personalizer_schemas.MultiSlotRank,
    personalizer_schemas.SingleSlotRank,
    personalizer_schemas.MultiSlotReward,
    personalizer_schemas.SingleSlotReward,
)
_CODES = {404: "not_found", 405: "method_not_allowed"}


class Worker(Protocol):
    """Works beside the requests, in threads of its own, between start and stop."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Surface(Worker, Protocol):
    """An application under a path of its own beside the API, such as the studio. It starts and stops with it."""

    @property
    def path(self) -> str: ...

    @property
    def app(self) -> ASGIApp: ...


def create_app(service: Service, surfaces: Sequence[Surface] = ()) -> Edge:
    """The ASGI application; it closes the service when it stops."""
    guard, retraining, shown = Guard(service), Jobs(service), ShownTally(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        workers: list[Worker] = [Learner(service), guard, retraining, shown, *surfaces]
        for worker in workers:
            worker.start()
        yield
        service.stopping = True
        for worker in reversed(workers):
            await asyncio.to_thread(worker.stop)
        service.close()

    app = FastAPI(title="genco", version=__version__, lifespan=lifespan, redoc_url=None, docs_url=None)
    app.state.service, app.state.guard, app.state.jobs, app.state.shown = service, guard, retraining, shown
    for router in _ROUTERS:
        app.include_router(router)
    for surface in surfaces:
        app.mount(surface.path, surface.app)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    for unavailable in (StoreUnavailableError, OperationalError):
        app.add_exception_handler(unavailable, _unavailable)
    app.add_exception_handler(DataError, _not_storable)
    app.add_exception_handler(Exception, _fault)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the way FastAPI documents
    return Edge(Shortcut(app, _fault), service.metrics)


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_answer(error)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_answer(ApiError(error.status_code, _CODES.get(error.status_code, "http_error"), str(error.detail)))


async def _unavailable(_: Request, error: Exception) -> Response:
    """Reports and decisions say more of it themselves."""
    return error_answer(ApiError(503, "store_unavailable", f"The store does not answer. {error}", 1))


async def _not_storable(_: Request, __: Exception) -> Response:
    """PostgreSQL cannot even be asked for a text with the character 0."""
    return error_answer(ApiError(422, "invalid_query", "A text without the character 0 is expected."))


async def _fault(_: Request, error: Exception) -> Response:
    """What nobody foresaw. `Edge` logs it under the request's id."""
    return error_answer(
        ApiError(500, "internal_error", f"A fault of the service; see request {request_id.get()} in its log.")
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the bodies that routes read themselves."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, bodies = models_json_schema(
            [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
        )
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(bodies["$defs"])
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = document
    return app.openapi_schema
