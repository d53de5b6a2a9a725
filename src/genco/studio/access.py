"""Who may see a page and send a form. Every page but the sign-in depends on `signed_in`, every act on `may`."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, quote

from starlette.requests import Request

from genco.serving.errors import ApiError
from genco.serving.keys import Key
from genco.studio.sessions import Session, find_session
from genco.studio.studio import Studio

COOKIE = "genco_session"
MAX_FORM_BYTES = 1_000_000


class SignInNeededError(Exception):
    """Nobody is signed in; `path`: where the reader wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.location = f"/studio/sign-in?next={quote(path, safe='')}"


def studio_of(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


def session_of(request: Request) -> Session:
    """The session of a request that `signed_in` let through."""
    session: Session = request.state.session
    return session


def actor_of(request: Request) -> Key:
    """The signed-in user as the audit log names them."""
    user = session_of(request).user
    return Key(f"user:{user.name}", user.name, (), user.created_at, None)


async def signed_in(request: Request) -> None:
    """Let signed-in readers through; forms only with the session's token.

    Raises `SignInNeededError`, `ApiError` 403.
    """
    studio, secret = studio_of(request), request.cookies.get(COOKIE)
    service = studio.service
    session = None
    if secret:
        session = await asyncio.to_thread(find_session, service.engine, secret, service.clock.now())
    if session is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInNeededError(request.url.path + query)
    request.state.session = session
    if request.method not in ("GET", "HEAD"):
        token = request.headers.get("x-form-token") or (await form_of(request)).get("form_token", "")
        if not hmac.compare_digest(token.encode(), session.form_token.encode()):
            raise ApiError(403, "form_expired", "This form is from another session. Reload the page and try again.")


def may(role: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that lets users of `role` through. Raises `ApiError` 403."""

    async def check(request: Request) -> None:
        user = session_of(request).user
        if not user.may(role):
            raise ApiError(403, "role_missing", f"This needs the role {role}; {user.name} is {user.role}.")

    return check


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; of a field sent several times the last. Raises `ApiError` 413."""
    return dict(await fields_of(request))


async def fields_of(request: Request) -> list[tuple[str, str]]:
    """Names and values of a form in order. Raises `ApiError` 413."""
    if int(request.headers.get("content-length") or 0) > MAX_FORM_BYTES:
        raise ApiError(413, "body_too_large", f"A form has at most {MAX_FORM_BYTES:,} bytes.")
    body = b""
    if not hasattr(request.state, "form"):
        async for part in request.stream():
            body += part
            if len(body) > MAX_FORM_BYTES:
                raise ApiError(413, "body_too_large", f"A form has at most {MAX_FORM_BYTES:,} bytes.")
        request.state.form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    form: list[tuple[str, str]] = request.state.form
    return form
