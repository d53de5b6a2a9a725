"""Interactions: pairs of elements as a heat map and in words."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request

from genco.drawings.words import clean, element_name
from genco.evaluation.element_table import ElementView
from genco.studio.access import studio_of
from genco.studio.pages.pictures import PictureLinks
from genco.studio.pages.product import asked_of
from genco.studio.pages.twins import page
from genco.studio.queries.interactions import Interactions, interactions

router = APIRouter()
SHADES = 5


def _drawn(shown: Interactions) -> dict[str, Any]:
    effects = () if shown.heat is None else shown.heat.effects
    has_forbidden = any(value is None for row in effects for value in row)
    largest = max((abs(value) for row in effects for value in row if value is not None), default=0.0) or 1.0

    def shade(value: float | None) -> str:
        if value is None:
            return "forbidden"
        return f"{'help' if value >= 0 else 'hurt'}-{math.ceil(SHADES * abs(value) / largest)}"

    def short(element: ElementView) -> str:
        return clean(element.text) if element.text else element_name(element)

    return {"shade": shade, "short": short, "pictures": PictureLinks(), "has_forbidden": has_forbidden}


@page(router, "/interactions", "interactions.html.j2", _drawn)
def show(
    request: Request,
    product: Annotated[str, Query(max_length=1_000)] = "",
    slots: Annotated[str, Query(pattern="^([0-9]{1,2}-[0-9]{1,2})?$")] = "",
) -> Interactions:
    """A product in the context of `context.NAME`."""
    context, _ = asked_of(request)
    return interactions(studio_of(request), product.strip(), context, slots)
