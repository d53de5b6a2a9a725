"""PUT /v1/catalogue and GET /v1/catalogue/products/{product_id}: what may be shown."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.serving.catalogue_schemas import CatalogueAnswer, CatalogueChange, CatalogueProduct
from genco.serving.errors import ApiError
from genco.serving.product_view import product_view
from genco.serving.routes.body import answer, described, parsed, read_body, service_of

router = APIRouter(tags=["catalogue"])


@router.put("/v1/catalogue", response_model=CatalogueAnswer, **described(CatalogueChange, 413, 422))
async def change(request: Request) -> Response:
    """Add products and elements, set further rules, change statuses: all or none. The next decision obeys."""
    service = service_of(request)
    key = await service.gate.require(request, "admin")
    edit = parsed(CatalogueChange, await read_body(request))
    if not (edit.products or edit.elements or edit.statuses or edit.rules is not None):
        raise ApiError(422, "invalid_body", "Something should be given to add or to change. Found nothing.")
    version, known = await asyncio.to_thread(service.controls.edit_catalogue, edit, key.key_id)
    return answer(
        CatalogueAnswer(
            version=version,
            changed=len({entry.element_id for entry in edit.statuses}),
            products=len(edit.products),
            elements=len(edit.elements),
            rules=len(edit.rules or ()),
            left_to_the_run=known,
        )
    )


@router.get("/v1/catalogue/products/{product_id:path}", response_model=CatalogueProduct, **described(None, 404, 422))
async def product(request: Request, product_id: str) -> Response:
    """A product with its elements, as it is served now."""
    service = service_of(request)
    await service.gate.require(request, "read")
    return answer(await asyncio.to_thread(product_view, service.live, product_id))
