"""The table of elements."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request

from genco.drawings.plots import interval_bar
from genco.drawings.words import element_name
from genco.studio.access import studio_of
from genco.studio.pages.links import Links
from genco.studio.pages.pictures import PictureLinks
from genco.studio.pages.twins import page
from genco.studio.queries.elements import Elements, elements
from genco.studio.queries.wanted_change import BY_NAME, STATUS

router = APIRouter()


def _drawn(shown: Elements) -> dict[str, Any]:
    asked = {
        "product_id": shown.product_id,
        "search": shown.search,
        "component": shown.component,
        "status": shown.status,
        "label": shown.label,
        "sort": shown.sort,
    }
    return {
        "links": Links("/studio/elements", asked, shown.sort, shown.descending),
        "several_actions": [BY_NAME[name] for name in STATUS],
        "pictures": PictureLinks(),
        "element_name": element_name,
        "interval_bar": interval_bar,
        "reach": max((abs(end) for row in shown.rows for end in (row.ci_low, row.ci_high)), default=1.0),
    }


@page(router, "/elements", "elements.html.j2", _drawn)
def show(
    request: Request,
    product_id: str = "",
    search: Annotated[str, Query(max_length=200)] = "",
    component: str = "",
    status: Literal["", "approved", "pending", "blocked"] = "",
    label: Literal["", "PENDING", "LEARNING", "LOW", "GOOD", "BEST"] = "",
    sort: Literal["impressions", "clicks", "rate"] = "impressions",
    ascending: bool = False,
    page: int = 1,
) -> Elements:
    """Elements by traffic, unless asked otherwise."""
    return elements(studio_of(request), product_id, search.strip(), component, status, label, sort, not ascending, page)
