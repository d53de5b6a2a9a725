"""POST /v1/models/retrain and GET /v1/jobs."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.schemas import JobOut, JobsAnswer, JobStarted, RetrainIn

router = APIRouter(tags=["jobs"])


@router.post("/v1/models/retrain", response_model=JobStarted, status_code=202, **described(RetrainIn, 409, 413, 422))
async def retrain(request: Request) -> Response:
    """Train on the log in a process of its own. The run is registered; it serves nobody unless `then` says so."""
    key = await service_of(request).gate.require(request, "admin")
    ask = parsed(RetrainIn, await read_body(request) or b"{}")
    number = await asyncio.to_thread(request.app.state.jobs.retrain, ask.then, key.key_id, ask.data)
    return answer(JobStarted(job=number), 202)


@router.get("/v1/jobs", response_model=JobsAnswer, **described(None))
async def jobs(request: Request) -> Response:
    """The last hundred jobs, newest first."""
    await service_of(request).gate.require(request, "read")
    found = await asyncio.to_thread(request.app.state.jobs.list)
    return answer(JobsAnswer(jobs=[JobOut(**vars(job)) for job in found]))
