"""What every answer of the studio tells the browser: nothing from elsewhere, nothing inline, no frame around it; and
how long the server took (`Server-Timing`, shown by the browser's developer tools)."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class SecurityHeaders:
    """Plain ASGI. Pages are kept out of caches; files that never change may stay."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = {name.lower() for name, _ in message["headers"]}
                kept = [] if b"cache-control" in told else [(b"cache-control", b"no-store")]
                took = b"total;dur=%.1f" % (1e3 * (time.perf_counter() - started))
                message["headers"] = [*message["headers"], *HEADERS, *kept, (b"server-timing", took)]
            await send(message)

        await self.app(scope, receive, send_guarded)
