"""GET /v1/alarms and POST /v1/alarms/{number}/close."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.alarms import Alarm, close_alarm, open_alarms
from genco.serving.audit import note
from genco.serving.errors import ApiError
from genco.serving.keys import Key
from genco.serving.routes.body import answer, described, service_of
from genco.serving.schemas import AlarmOut, AlarmsAnswer
from genco.serving.service import Service

router = APIRouter(tags=["alarms"])


@router.get("/v1/alarms", response_model=AlarmsAnswer, **described(None))
async def alarms(request: Request) -> Response:
    """Alarms nobody has closed."""
    service = service_of(request)
    await service.gate.require(request, "read")
    return await _open(service)


@router.post("/v1/alarms/{number}/close", response_model=AlarmsAnswer, **described(None, 404))
async def close(request: Request, number: str) -> Response:
    """Say that an alarm has been looked at."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise ApiError(404, "unknown_alarm", f"No alarm {number!r} is open.")
    await asyncio.wrap_future(service.writer.submit(lambda store: _close(store, int(number), key, service.clock.now())))
    return await _open(service)


async def _open(service: Service) -> Response:
    found = await asyncio.to_thread(_read, service)
    return answer(AlarmsAnswer(alarms=[AlarmOut(**vars(alarm)) for alarm in found]))


def _close(connection: Connection, number: int, key: Key, now: int) -> None:
    close_alarm(connection, number, now)
    note(connection, now, key.key_id, "close_alarm", {"number": number})


def _read(service: Service) -> list[Alarm]:
    with service.engine.connect() as connection:
        return open_alarms(connection)
