"""/v1/controls: change what is shown while the service runs, see beforehand what a change does, and undo it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.control_schemas import ControlOut, ControlsAnswer, ControlsIn, PreviewAnswer, PreviewIn
from genco.serving.control_store import Control
from genco.serving.errors import ApiError
from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.routes.query import number

router = APIRouter(tags=["controls"])
LISTED, MAX_LISTED = 100, 1_000
_QUERY: list[dict[str, Any]] = [
    {"name": "product_id", "in": "query", "required": False, "schema": {"type": "string"}},
    {"name": "active", "in": "query", "required": False, "schema": {"type": "boolean"}},
    {"name": "before", "in": "query", "required": False, "schema": {"type": "integer", "minimum": 1}},
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LISTED},
    },
]


@router.post("/v1/controls", response_model=ControlsAnswer, **described(ControlsIn, 413, 422))
async def apply(request: Request) -> Response:
    """Put changes in force, all or none. Decisions made after the answer obey."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    changes = parsed(ControlsIn, await read_body(request)).changes
    made = await asyncio.to_thread(service.controls.apply, changes, key.key_id)
    return answer(ControlsAnswer(controls=[_out(control) for control in made]))


@router.post("/v1/controls/preview", response_model=PreviewAnswer, **described(PreviewIn, 404, 409, 413, 422))
async def preview(request: Request) -> Response:
    """What changes would do to traffic. Nothing is changed."""
    service = service_of(request)
    await service.gate.require(request, "read")
    ask = parsed(PreviewIn, await read_body(request))
    if bool(ask.changes) == (ask.undo is not None):
        raise ApiError(422, "invalid_body", "Either `changes` or `undo` should be given. Found both or neither.")
    found = await asyncio.to_thread(service.controls.preview, ask.changes, ask.undo, ask.product_id, ask.context)
    return answer(PreviewAnswer.model_validate(asdict(found)))


@router.post("/v1/controls/{number}/undo", response_model=ControlOut, **described(None, 404, 409, 422))
async def undo(request: Request, number: str) -> Response:
    """Take an act back."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    if not re.fullmatch("[0-9]{1,9}", number):
        raise ApiError(404, "unknown_control", f"No control {number!r} is stored.")
    return answer(_out(await asyncio.to_thread(service.controls.undo, int(number), key.key_id)))


@router.get("/v1/controls", response_model=ControlsAnswer, **described(None, 422, query=_QUERY))
async def history(request: Request) -> Response:
    """Acts, newest first, of all products or those that concern one; with `active`, changes in force or undone."""
    service = service_of(request)
    await service.gate.require(request, "read")
    asked = request.query_params
    before, limit = number(asked, "before", 2**31 - 1), number(asked, "limit", MAX_LISTED)
    found = await asyncio.to_thread(
        service.controls.history, asked.get("product_id"), _flag(asked, "active"), before, limit or LISTED
    )
    return answer(ControlsAnswer(controls=[_out(control) for control in found]))


def _flag(asked: Mapping[str, str], name: str) -> bool | None:
    if asked.get(name) not in (None, "true", "false"):
        raise ApiError(422, "invalid_query", f"{name}: true or false is expected. Found {asked[name]!r}.")
    return None if name not in asked else asked[name] == "true"


def _out(control: Control) -> ControlOut:
    return ControlOut.model_validate(control, from_attributes=True)
