"""POST /v1/events, /v1/events/{event_id}/reward and /activate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.errors import ApiError, StoreUnavailableError
from genco.serving.joiner import ACTIVATION, REJECTED, REWARD, EventRow, Verdict, ingest
from genco.serving.keys import Key
from genco.serving.routes.body import answer, described, first_fault, parsed, read_body, service_of
from genco.serving.schemas import MOST_EVENTS, EventIn, EventResult, EventsAnswer, EventsIn, RewardIn
from genco.serving.service import Service

router = APIRouter()
JSON_LINES = {"application/x-ndjson": {"schema": {"type": "string", "description": "One EventIn a line."}}}


@router.post(
    "/v1/events", response_model=EventsAnswer, tags=["events"], **described(EventsIn, 413, 422, also=JSON_LINES)
)
async def events(request: Request) -> Response:
    """Report what became of decisions, many at once. A wrong row is rejected by itself."""
    service = service_of(request)
    key = await service.gate.require(request, "ingest")
    body = await read_body(request)
    lines = request.headers.get("content-type", "").lower().startswith(("application/x-ndjson", "application/jsonl"))
    rows = _lines(body) if lines else parsed(EventsIn, body).events
    return answer(await report(service, key, [_row(service, row) for row in rows]))


@router.post(
    "/v1/events/{event_id:path}/reward",
    response_model=EventResult,
    tags=["events"],
    **described(RewardIn, 404, 413, 422),
)
async def reward(request: Request, event_id: str) -> Response:
    """Reward a decision, or one slot of it."""
    service = service_of(request)
    key = await service.gate.require(request, "ingest")
    given = parsed(RewardIn, await read_body(request)).model_dump(exclude_none=True)
    return answer(await report_one(service, key, {"event_id": event_id, "kind": REWARD, **given}))


@router.post(
    "/v1/events/{event_id:path}/activate", response_model=EventResult, tags=["events"], **described(None, 404, 422)
)
async def activate(request: Request, event_id: str) -> Response:
    """Say that a decision was shown."""
    service = service_of(request)
    key = await service.gate.require(request, "ingest")
    return answer(await report_one(service, key, {"event_id": event_id, "kind": ACTIVATION}))


async def report(service: Service, key: Key, rows: Sequence[EventRow | Verdict]) -> EventsAnswer:
    """Store what is sound, and answer row by row. rows: a verdict stands for a row that could not be read.

    Raises `ApiError` 503 where the store does not answer, 401 where the key was revoked meanwhile; then nothing is
    stored.
    """
    sound = [row for row in rows if isinstance(row, EventRow)]
    config, received_at = service.config, service.clock.now()
    rate_of = service.live.serving.control.base.meta.reward

    def write(connection: Connection) -> list[Verdict]:
        service.gate.confirm(key)
        return ingest(connection, sound, received_at, config.reward_window_us, config.reward, service.caps, rate_of)

    try:
        written = service.writer.submit(write)
        verdicts = iter(await asyncio.wrap_future(written))
    except StoreUnavailableError as error:
        raise ApiError(503, "store_unavailable", f"Nothing was stored; send it again. {error}", 1) from error
    results, counts = [], {"accepted": 0, "duplicate": 0, "late": 0, "rejected": 0}
    for row in rows:
        verdict = row if isinstance(row, Verdict) else next(verdicts)
        counts[verdict.status] += 1
        kind = "unknown" if isinstance(row, Verdict) else row.kind
        service.metrics.events.labels(kind, verdict.status).inc()
        results.append(_result(verdict))
    return EventsAnswer.model_construct(results=results, _fields_set=None, **counts)


async def report_one(service: Service, key: Key, row: dict[str, Any]) -> EventResult:
    """Store one row by itself. Raises `ApiError` where it is rejected."""
    result = (await report(service, key, [_row(service, row)])).results[0]
    if result.status == REJECTED:
        status = 404 if result.code == "unknown_decision" else 422
        raise ApiError(status, result.code or REJECTED, result.message or "")
    return result


def _result(verdict: Verdict) -> EventResult:
    return EventResult.model_construct(
        status=verdict.status, code=verdict.code or None, message=verdict.message or None
    )


def _row(service: Service, values: Any) -> EventRow | Verdict:
    """The row, or why it cannot be one."""
    if isinstance(values, Verdict):
        return values
    try:
        row = EventIn.model_validate(values)
    except ValidationError as error:
        return Verdict(REJECTED, "invalid_row", first_fault(error))
    if service.ids.is_forged(row.event_id):
        return Verdict(REJECTED, "forged_event_id", f"The service did not mint {row.event_id!r}.")
    if row.slot_id is not None and row.slot_id not in service.model.slot_names:
        return Verdict(REJECTED, "unknown_slot", f"The run has no slot {row.slot_id!r}.")
    return EventRow(row.event_id, row.kind, row.slot_id or "", row.value, row.id or "")


def _lines(body: bytes) -> list[Any]:
    """JSON Lines as values; a line that is none is a verdict already. Raises `ApiError` 422 for too many."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MOST_EVENTS:
        raise ApiError(422, "invalid_body", f"At most {MOST_EVENTS:,} lines are expected. Found {len(lines):,}.")
    return [_line(line) for line in lines]


def _line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return Verdict(REJECTED, "invalid_row", f"A JSON object a line is expected. {error}")
