"""PUT /v1/catalogue: which elements may be shown."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.changes import SetStatus
from genco.serving.routes.body import answer, described, parsed, read_body, service_of
from genco.serving.schemas import CatalogueAnswer, CatalogueChange

router = APIRouter(tags=["catalogue"])


@router.put("/v1/catalogue", response_model=CatalogueAnswer, **described(CatalogueChange, 413, 422))
async def change(request: Request) -> Response:
    """Set the status of elements, all or none. Decisions made after the answer obey."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    statuses = {entry.element_id: entry.status for entry in parsed(CatalogueChange, await read_body(request)).statuses}
    by_status: dict[str, list[str]] = {}
    for element, status in statuses.items():
        by_status.setdefault(status, []).append(element)
    changes = [SetStatus.model_construct(element_ids=tuple(ids), status=status) for status, ids in by_status.items()]
    made = await asyncio.to_thread(service.controls.apply, changes, key.key_id)
    return answer(CatalogueAnswer(version=made[0].version, changed=len(statuses)))
