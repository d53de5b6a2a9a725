"""The studio as an application under `/studio` of the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from genco.serving.errors import ApiError
from genco.serving.logs import request_id
from genco.serving.service import Service
from genco.studio.access import SignInNeededError, signed_in
from genco.studio.headers import SecurityHeaders
from genco.studio.pages import (
    audit,
    combinations,
    controls,
    elements,
    interactions,
    models,
    overview,
    people,
    pictures,
    policy,
    product,
    products,
    several,
    sign_in,
)
from genco.studio.rendering import render
from genco.studio.studio import Studio
from genco.studio.surroundings import Surroundings
from genco.studio.users import list_users

_PAGES = (
    overview,
    products,
    product,
    elements,
    interactions,
    combinations,
    policy,
    models,
    controls,
    several,
    audit,
    people,
    pictures,
)
_STATIC = Path(__file__).parent / "static"


class StudioSurface:
    """What `genco.serving.app.create_app` mounts.

    pictures: dataset folder whose pictures may be shown · url: of the server · say: tells the person who starts it.
    """

    path = "/studio"

    def __init__(
        self,
        service: Service,
        pictures: Path | None = None,
        url: str = "",
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.studio = Studio(service, pictures)
        self.app: ASGIApp = Surroundings(SecurityHeaders(_application(self.studio)))
        self._url, self._say = url, say

    def start(self) -> None:
        """Begin to count and to judge; say where the studio is, and how the first admin gets in."""
        self.studio.prepared()
        self.studio.tally.start()
        self.studio.labels.start()
        if list_users(self.studio.service.engine):
            self._say(f"Studio: {self._url}/studio/")
        else:
            link = f"{self._url}/studio/enter?link={self.studio.links.make('')}"
            self._say(f"Studio: nobody can sign in yet. Make the first admin at {link}")

    def stop(self) -> None:
        """Count and judge no further."""
        self.studio.labels.stop()
        self.studio.tally.stop()


def _application(studio: Studio) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.studio = studio
    app.include_router(sign_in.router)
    for module in _PAGES:
        app.include_router(module.router, dependencies=[Depends(signed_in)])
    app.mount("/static", StaticFiles(directory=_STATIC))
    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(DataError, _not_storable)
    app.add_exception_handler(Exception, _fault)
    return app


async def _sign_in_needed(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeededError)
    if request.url.path.endswith(".json"):
        return _said(request, 401, "sign_in_needed", "Sign in first.")
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": error.location})
    return RedirectResponse(error.location if request.method == "GET" else "/studio/sign-in", 303)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    answer = _said(request, error.status, error.code, error.message)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _said(request, 404, "not_found", "There is no such page.")
    return _said(request, error.status_code, "http_error", str(error.detail))


async def _bad_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    return _said(request, 422, "bad_query", f"{fault['loc'][-1]}: {fault['msg']}.")


async def _not_storable(request: Request, _: Exception) -> Response:
    """PostgreSQL cannot even be asked for a text with the character 0."""
    return _said(request, 422, "bad_query", "A text without the character 0 is expected.")


async def _fault(request: Request, _: Exception) -> Response:
    return _said(request, 500, "internal_error", f"A fault of the studio; see request {request_id.get()} in the log.")


def _said(request: Request, status: int, code: str, message: str) -> Response:
    """An error as a page, or as JSON where JSON was asked for."""
    if request.url.path.endswith(".json"):
        return JSONResponse({"error": {"code": code, "message": message}}, status)
    return render(request, "error.html.j2", status, code=code, message=message)
