"""The busiest routes, answered before the framework's layers: a fifth of a decision's processor time was theirs.

The routes stay in the application, which describes them in OpenAPI and answers whatever differs in method or path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from genco.serving.errors import ApiError
from genco.serving.routes import decide, events
from genco.serving.routes.body import error_answer

Endpoint = Callable[[Request], Awaitable[Response]]
Fault = Callable[[Request, Exception], Awaitable[Response]]


class Shortcut:
    """app: for everything else · fault: the answer to an error that nobody foresaw, which is raised after it."""

    def __init__(self, app: FastAPI, fault: Fault) -> None:
        self._app, self._fault = app, fault
        endpoints: dict[str, Endpoint] = {"/v1/decide": decide.decide, "/v1/events": events.events}
        self._endpoints = {path: (endpoint, Route(path, endpoint)) for path, endpoint in endpoints.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        endpoint, scope["route"] = found
        scope["app"] = self._app
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except ApiError as error:
            response = error_answer(error)
        except Exception as error:  # as Starlette does: answer 500, then let the outer layer log it
            await (await self._fault(request, error))(scope, receive, send)
            raise
        await response(scope, receive, send)
