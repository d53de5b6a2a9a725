"""Around every request: its id, its time, its line in the log."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genco.serving.logs import request_id
from genco.serving.metrics import Metrics

log = logging.getLogger("genco.serving.access")
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Edge:
    """Plain ASGI: no buffering, no task of its own."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self._metrics = app, metrics
        self._prefix, self._numbers = secrets.token_hex(4).encode(), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        name = given if _GIVEN_ID.fullmatch(given) else b"%s-%x" % (self._prefix, next(self._numbers))
        request_id.set(name.decode())

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", name)]
            await send(message)

        try:
            await self.app(scope, receive, send_named)
        except Exception:
            log.exception("a request failed")  # the application has answered it
        self._count(scope, status, time.perf_counter() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if log.isEnabledFor(logging.DEBUG) or status >= 500:
            took = round(1e3 * seconds, 3)
            log.info("request", extra={"route": route, "status": status, "took_ms": took})
