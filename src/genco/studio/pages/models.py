"""Models: what is served, where it comes from, and the levers of an admin."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from genco.serving import registry
from genco.serving.alarms import close_alarm
from genco.serving.audit import note
from genco.serving.decider import ONLINE
from genco.serving.errors import ApiError
from genco.serving.jobs import REGISTER, STAGE
from genco.serving.rollout import STAGES, Plan
from genco.serving.routes.models import noted_as
from genco.studio.access import actor_of, form_of, may, studio_of
from genco.studio.pages.twins import page
from genco.studio.queries.models import Models, models_page
from genco.studio.surroundings import guard_of, jobs_of
from genco.studio.users import ADMIN

router = APIRouter()
WHY_WORDS = {
    "start": "the service was started with it",
    "promote": "promoted",
    "rollback": "rolled back to",
    "rollout": "its rollout reached everybody",
    "learn": "learned",
}


def _drawn(shown: Models) -> dict[str, Any]:
    return {"why_words": WHY_WORDS, "plan": Plan(), "stages": " ".join(f"{share:g}" for share in STAGES)}


@page(router, "/models", "models.html.j2", _drawn)
def show(request: Request) -> Models:
    """Versions, rollout, alarms and jobs."""
    return models_page(studio_of(request), guard_of(request), jobs_of(request))


@router.post("/models/promote", dependencies=[Depends(may(ADMIN))])
async def promote(request: Request) -> Response:
    """Serve a version to everybody."""
    service, version = studio_of(request).service, (await form_of(request)).get("version", "")
    noted = noted_as(service, actor_of(request), "promote_model", {"version": version})
    await asyncio.to_thread(service.live.promote, version, registry.PROMOTE, noted)
    return _back()


@router.post("/models/stage", dependencies=[Depends(may(ADMIN))])
async def stage(request: Request) -> Response:
    """Serve a version to a growing share."""
    service, form = studio_of(request).service, await form_of(request)
    version, plan = form.get("version", ""), _plan(form)
    if service.config.mode != ONLINE:
        raise ApiError(409, "not_online", f"Only in mode online do two models answer. Found {service.config.mode}.")
    noted = noted_as(service, actor_of(request), "begin_rollout", {"version": version, **asdict(plan)})
    await asyncio.to_thread(service.live.begin_rollout, version, plan, noted)
    return _back()


@router.post("/models/advance", dependencies=[Depends(may(ADMIN))])
async def advance(request: Request) -> Response:
    """Enter the next stage of a rollout."""
    service, version = studio_of(request).service, (await form_of(request)).get("version", "")
    noted = noted_as(service, actor_of(request), "advance_rollout", {"version": version})
    await asyncio.to_thread(service.live.advance, version, noted)
    return _back()


@router.post("/models/rollback", dependencies=[Depends(may(ADMIN))])
async def roll_back(request: Request) -> Response:
    """End a rollout, or serve what a version took over from."""
    service, version = studio_of(request).service, (await form_of(request)).get("version", "")
    noted = noted_as(service, actor_of(request), "roll_back_model", {"version": version})
    await asyncio.to_thread(service.live.roll_back, version, noted)
    return _back()


@router.post("/models/register", dependencies=[Depends(may(ADMIN))])
async def register(request: Request) -> Response:
    """Make a run on the server's machine known."""
    service, path = studio_of(request).service, (await form_of(request)).get("path", "")

    def noted(connection: Connection, version: str) -> None:
        detail = {"version": version, "path": path}
        note(connection, service.clock.now(), actor_of(request).key_id, "register_model", detail)

    await asyncio.to_thread(service.live.register, Path(path), None, noted)
    return _back()


@router.post("/models/retrain", dependencies=[Depends(may(ADMIN))])
async def retrain(request: Request) -> Response:
    """Train on the log, as a job."""
    then = (await form_of(request)).get("then", REGISTER)
    if then not in (REGISTER, STAGE):
        raise ApiError(422, "invalid_body", f"then: {REGISTER} or {STAGE} is expected. Found {then!r}.")
    await asyncio.to_thread(jobs_of(request).retrain, then, actor_of(request).key_id)
    return _back()


@router.post("/models/close-alarm", dependencies=[Depends(may(ADMIN))])
async def close(request: Request) -> Response:
    """Say that an alarm has been looked at."""
    service, number = studio_of(request).service, (await form_of(request)).get("number", "")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise ApiError(404, "unknown_alarm", f"No alarm {number!r} is open.")

    def write(connection: Connection) -> None:
        now = service.clock.now()
        close_alarm(connection, int(number), now)
        note(connection, now, actor_of(request).key_id, "close_alarm", {"number": int(number)})

    await asyncio.wrap_future(service.writer.submit(write))
    return _back()


def _plan(form: dict[str, str]) -> Plan:
    """Raises `ApiError` 422."""
    try:
        stages = tuple(float(share) for share in form.get("stages", "").replace(",", " ").split())
        minutes, decisions = float(form.get("minutes", "")), int(form.get("min_decisions", ""))
    except ValueError as error:
        raise ApiError(422, "invalid_body", "Stages, minutes and decisions should be numbers.") from error
    if not (0 <= minutes < 1e6 and 0 <= decisions < 1e9):
        raise ApiError(422, "invalid_body", "Minutes and decisions should be 0 or more.")
    return Plan(stages, minutes, decisions)


def _back() -> Response:
    return RedirectResponse("/studio/models", 303)
