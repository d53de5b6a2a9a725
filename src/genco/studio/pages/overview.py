"""The overview."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request

from genco.studio.access import studio_of
from genco.studio.pages.twins import page
from genco.studio.queries.overview import Overview, overview

router = APIRouter()


@page(router, "/", "overview.html.j2")
def show(request: Request) -> Overview:
    """How the service does."""
    return overview(studio_of(request))
