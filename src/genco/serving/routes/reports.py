"""GET /v1/reports/elements and /v1/reports/combinations."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.reports import ShownCombination, shown_combinations, shown_elements
from genco.serving.routes.body import answer, described, service_of
from genco.serving.schemas import CombinationOut, CombinationsAnswer, ElementOut, ElementsAnswer
from genco.serving.service import Service

router = APIRouter(tags=["reports"])
_QUERY = ({"name": "product_id", "in": "query", "required": False, "schema": {"type": "string"}},)


@router.get("/v1/reports/combinations", response_model=CombinationsAnswer, **described(None, query=_QUERY))
async def combinations(request: Request) -> Response:
    """Combinations shown so far, of all products or of one."""
    service = service_of(request)
    await service.gate.require(request, "read")
    rows = await asyncio.to_thread(_shown, service, request.query_params.get("product_id"))
    names = service.model.slot_names
    found = [
        CombinationOut.model_construct(**{**vars(row), "combination": dict(zip(names, row.combination, strict=False))})
        for row in rows
    ]
    return answer(
        CombinationsAnswer.model_construct(
            impressions=sum(row.impressions for row in rows), clicks=sum(row.clicks for row in rows), combinations=found
        )
    )


@router.get("/v1/reports/elements", response_model=ElementsAnswer, **described(None, query=_QUERY))
async def elements(request: Request) -> Response:
    """Elements shown so far, by slot. Impressions of each slot add up to the total."""
    service = service_of(request)
    await service.gate.require(request, "read")
    rows = await asyncio.to_thread(_shown, service, request.query_params.get("product_id"))
    found = shown_elements(rows, service.model.catalogue)
    return answer(
        ElementsAnswer.model_construct(
            impressions=sum(row.impressions for row in rows),
            clicks=sum(row.clicks for row in rows),
            elements=[ElementOut.model_construct(**vars(row)) for row in found],
        )
    )


def _shown(service: Service, product_id: str | None) -> list[ShownCombination]:
    with service.engine.connect() as connection:
        return shown_combinations(connection, product_id)
