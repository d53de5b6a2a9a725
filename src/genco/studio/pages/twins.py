"""A page and its JSON twin, `PATH` and `PATH.json`: both made from the same object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from genco.studio.rendering import render


def page(
    router: APIRouter, path: str, template: str, drawn: Callable[[Any], dict[str, Any]] = lambda _: {}
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what a page shows: a function of the request and of query parameters that returns a dataclass.

    The template sees it as `shown`, beside what `drawn` makes of it (drawings, words). The twin of "/" is
    "/overview.json"; numbers that do not exist are null there.
    """

    def register(show: Callable[..., Any]) -> Callable[..., Any]:
        made = Depends(show)

        def html(request: Request, shown: Any = made) -> Response:
            twin = twin_of(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
            return render(request, template, shown=shown, twin=twin, **drawn(shown))

        def json(shown: Any = made) -> Response:
            return Response(TypeAdapter(type(shown)).dump_json(shown), media_type="application/json")

        router.add_api_route(path, html, methods=["GET"])
        router.add_api_route(twin_of(path), json, methods=["GET"])
        return show

    return register


def twin_of(path: str) -> str:
    """Path of a page's JSON twin."""
    return f"{path}overview.json" if path.endswith("/") else f"{path}.json"
