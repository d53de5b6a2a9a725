"""The report of combinations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request

from genco.studio.access import studio_of
from genco.studio.pages.links import Links
from genco.studio.pages.twins import page
from genco.studio.queries.combinations import Combinations, combinations

router = APIRouter()


def _drawn(shown: Combinations) -> dict[str, Any]:
    asked = {"product": shown.product_id, "sort": shown.sort}
    return {"links": Links("/studio/combinations", asked, shown.sort, shown.descending)}


@page(router, "/combinations", "combinations.html.j2", _drawn)
def show(
    request: Request,
    product: Annotated[str, Query(max_length=1_000)] = "",
    sort: Literal["impressions", "clicks", "rate"] = "impressions",
    ascending: bool = False,
    page: int = 1,
) -> Combinations:
    """Combinations by traffic, unless asked otherwise."""
    return combinations(studio_of(request), product.strip(), sort, not ascending, page)
