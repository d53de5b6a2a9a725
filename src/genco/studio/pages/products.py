"""The list of products."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request

from genco.studio.access import studio_of
from genco.studio.pages.links import Links
from genco.studio.pages.twins import page
from genco.studio.queries.products import STATE_RULES, Products, products

router = APIRouter()


def _drawn(shown: Products) -> dict[str, Any]:
    asked = {"search": shown.search, "state": shown.state, "sort": shown.sort}
    return {"rules": STATE_RULES, "links": Links("/studio/products", asked, shown.sort, shown.descending)}


@page(router, "/products", "products.html.j2", _drawn)
def show(
    request: Request,
    search: Annotated[str, Query(max_length=200)] = "",
    state: Literal["", "cold", "learning", "settled"] = "",
    sort: Literal["impressions", "clicks", "rate", "product_id"] = "impressions",
    ascending: bool = False,
    page: int = 1,
) -> Products:
    """Products by traffic, unless asked otherwise."""
    return products(studio_of(request), search.strip(), state, sort, not ascending, page)
