"""Signing in and out: the only pages that need no session."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from genco.errors import ConfigError, UnknownIdError
from genco.serving.audit import note
from genco.serving.errors import ApiError, StoreUnavailableError
from genco.studio.access import COOKIE, form_of, signed_in, studio_of
from genco.studio.queries.actors import PERSON
from genco.studio.rendering import render
from genco.studio.sessions import HOURS, Link, close_session, open_session
from genco.studio.users import ADMIN, LONGEST_NAME, add_user, has_users, set_password, user_with_password

router = APIRouter()


@router.get("/sign-in")
def ask(request: Request, next: str = "/studio/") -> Response:
    """The form."""
    return render(request, "sign_in.html.j2", next=_inside(next), message="", name="")


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Check name and password and start a session."""
    studio, form = studio_of(request), await form_of(request)
    _same_site(request)
    name, target = form.get("name", "")[: LONGEST_NAME + 1], _inside(form.get("next", ""))
    address = request.client.host if request.client else ""
    try:
        with studio.attempts.one(name, address):
            user = await asyncio.to_thread(user_with_password, studio.service.engine, name, form.get("password", ""))
    except ApiError as error:
        return render(request, "sign_in.html.j2", error.status, next=target, message=error.message, name=name)
    if user is None:
        message = "Name and password do not belong together."
        return render(request, "sign_in.html.j2", 401, next=target, message=message, name=name)
    studio.attempts.succeeded(name, address)
    return await _with_session(request, user.name, target)


@router.post("/sign-out", dependencies=[Depends(signed_in)])
async def sign_out(request: Request) -> Response:
    """End the session."""
    studio, secret = studio_of(request), request.cookies[COOKIE]
    await asyncio.wrap_future(studio.service.writer.submit(lambda connection: close_session(connection, secret)))
    answer = RedirectResponse("/studio/sign-in", 303)
    answer.delete_cookie(COOKIE, path="/studio")
    return answer


@router.get("/enter")
async def enter(request: Request, link: str) -> Response:
    """Use a link: sign in, choose a password, or make the first admin."""
    found = _link(request, link)
    if found.is_invitation:
        return render(request, "new_password.html.j2", link=link, message="", name=found.user)
    if found.user:
        return await _with_session(request, found.user, "/studio/")
    return render(request, "first_admin.html.j2", link=link, message="", name="")


@router.post("/enter")
async def make_first_admin(request: Request) -> Response:
    """Make the first admin and sign in."""
    studio, form = studio_of(request), await form_of(request)
    _same_site(request)
    link, name, service = form.get("link", ""), form.get("name", ""), studio.service
    now, password = service.clock.now(), form.get("password", "")

    def make(connection: Connection) -> None:
        """The writer is one thread: of two forms with one link, the second finds the admin of the first."""
        if has_users(connection) or _link(request, link).user != "":
            raise ApiError(403, "link_expired", "There is an admin already, or this link is used up or old. Sign in.")
        add_user(connection, name, ADMIN, password, now)
        note(connection, now, f"{PERSON}{name}", "add_user", {"name": name, "role": ADMIN})

    try:
        await asyncio.wrap_future(service.writer.submit(make))
    except ConfigError as error:
        return render(request, "first_admin.html.j2", 422, link=link, message=str(error), name=name)
    studio.links.forget(link)
    return await _with_session(request, name, "/studio/")


@router.post("/enter/password")
async def choose_password(request: Request) -> Response:
    """Take the password that somebody invited chose, and sign in."""
    studio, form = studio_of(request), await form_of(request)
    _same_site(request)
    link, password, service = form.get("link", ""), form.get("password", ""), studio.service
    found = _link(request, link)
    if not found.is_invitation:
        raise ApiError(403, "link_expired", "This link is no invitation.")
    name = found.user

    def write(connection: Connection) -> None:
        """May run a second time, where another write in its group is at fault."""
        set_password(connection, name, password, found.created_at)
        note(connection, service.clock.now(), f"{PERSON}{name}", "choose_password", {"name": name})

    studio.links.forget(link)  # of two forms with one link, the second finds it used up
    try:
        await asyncio.wrap_future(service.writer.submit(write))
    except ConfigError as error:
        studio.links.restore(link, found)
        return render(request, "new_password.html.j2", 422, link=link, message=str(error), name=name)
    except UnknownIdError as error:  # removed by command since, which this process is not told
        raise ApiError(403, "link_expired", str(error)) from error
    except StoreUnavailableError:
        studio.links.restore(link, found)
        raise
    return await _with_session(request, name, "/studio/")


def _link(request: Request, secret: str) -> Link:
    """Raises `ApiError` 403 for one that is used up."""
    found = studio_of(request).links.find(secret)
    if found is None:
        message = "This link is used up or old. Sign in, or ask for another one where you got it."
        raise ApiError(403, "link_expired", message)
    return found


async def _with_session(request: Request, user: str, target: str) -> Response:
    """Start a session; one that the browser had before ends."""
    service, old = studio_of(request).service, request.cookies.get(COOKIE, "")
    now = service.clock.now()

    def begin(connection: Connection) -> str:
        close_session(connection, old)
        return open_session(connection, user, now)

    secret = await asyncio.wrap_future(service.writer.submit(begin))
    answer = RedirectResponse(target, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, secret, HOURS * 3600, path="/studio", secure=secure, httponly=True, samesite="lax")
    return answer


def _same_site(request: Request) -> None:
    """Refuse a form that another site sent; browsers say so. Raises `ApiError` 403."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ApiError(403, "form_expired", "This form came from another site.")


def _inside(target: str) -> str:
    """`target` if it is a page of the studio, else the overview."""
    inside = target.startswith("/studio/") and not target.startswith("/studio/sign-in") and "\\" not in target
    return target if inside else "/studio/"
