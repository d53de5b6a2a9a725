"""People and API keys, for admins: who may do what, links and secrets shown once, an end to either."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from genco.errors import ConfigError, UnknownIdError
from genco.serving.audit import note
from genco.serving.errors import ApiError
from genco.serving.keys import SCOPES, add_key, list_keys, revoke_key
from genco.studio.access import actor_of, fields_of, form_of, may, studio_of
from genco.studio.pages.twins import page
from genco.studio.queries.people import People, people
from genco.studio.rendering import render
from genco.studio.sessions import INVITATION_HOURS
from genco.studio.users import ADMIN, ROLES, add_user, admins, list_users, remove_user, set_role

router = APIRouter(dependencies=[Depends(may(ADMIN))])
PATH = "/people"
LONGEST_KEY_NAME = 100


def _drawn(_: People) -> dict[str, Any]:
    return {"roles": ROLES, "scopes": SCOPES, "invitation": None, "made": None, "hours": INVITATION_HOURS}


@page(router, PATH, "people.html.j2", _drawn)
def show(request: Request) -> People:
    """People and keys."""
    return people(studio_of(request))


@router.post("/people/add")
async def add(request: Request) -> Response:
    """Make a user, whose password nobody knows yet, and a link to choose one."""
    studio, form, actor = studio_of(request), await form_of(request), actor_of(request).key_id
    name, role, now = form.get("name", ""), form.get("role", ""), studio.service.clock.now()

    def write(connection: Connection) -> None:
        add_user(connection, name, role, secrets.token_urlsafe(32), now)
        note(connection, now, actor, "add_user", {"name": name, "role": role})

    try:
        await asyncio.wrap_future(studio.service.writer.submit(write))
    except ConfigError as error:
        raise ApiError(422, "invalid_body", str(error)) from error
    return await _invited(request, name, now)


@router.post("/people/link")
async def link(request: Request) -> Response:
    """Make a link with which a user chooses a new password."""
    studio, name = studio_of(request), (await form_of(request)).get("name", "")
    known = {user.name: user for user in await asyncio.to_thread(list_users, studio.service.engine)}
    if name not in known:
        raise ApiError(404, "unknown_user", f"There is no user {name!r}.")
    return await _invited(request, name, known[name].created_at)


@router.post("/people/remove")
async def remove(request: Request) -> Response:
    """Forget a user; their sessions and links end at once. The last admin stays."""
    studio, name = studio_of(request), (await form_of(request)).get("name", "")
    now, actor = studio.service.clock.now(), actor_of(request).key_id

    def write(connection: Connection) -> None:
        _keep_an_admin(connection, name)
        remove_user(connection, name)
        note(connection, now, actor, "remove_user", {"name": name})

    try:
        await asyncio.wrap_future(studio.service.writer.submit(write))
    except UnknownIdError as error:
        raise ApiError(404, "unknown_user", str(error)) from error
    studio.links.forget_invitations(name)
    return RedirectResponse("/studio/people", 303)


@router.post("/people/role")
async def change_role(request: Request) -> Response:
    """Give a user another role. The last admin stays one."""
    studio, form, actor = studio_of(request), await form_of(request), actor_of(request).key_id
    name, role, now = form.get("name", ""), form.get("role", ""), studio.service.clock.now()

    def write(connection: Connection) -> None:
        if role != ADMIN:
            _keep_an_admin(connection, name)
        set_role(connection, name, role)
        note(connection, now, actor, "change_role", {"name": name, "role": role})

    try:
        await asyncio.wrap_future(studio.service.writer.submit(write))
    except ConfigError as error:
        raise ApiError(422, "invalid_body", str(error)) from error
    except UnknownIdError as error:
        raise ApiError(404, "unknown_user", str(error)) from error
    return RedirectResponse("/studio/people", 303)


def _keep_an_admin(connection: Connection, name: str) -> None:
    """The writer is one thread: of two admins who end each other's role at once, one stays. Raises `ApiError` 409."""
    if admins(connection) == [name]:
        raise ApiError(409, "last_admin", f"{name} is the only admin: make another one first.")


@router.post("/people/add-key")
async def make_key(request: Request) -> Response:
    """Make an API key and show it."""
    fields = await fields_of(request)
    scopes = tuple(value for name, value in fields if name == "scope")
    return await _made(request, dict(fields).get("name", "").strip(), scopes)


@router.post("/people/replace-key")
async def replace_key(request: Request) -> Response:
    """Make another key of the same name and scopes and show it; the old one holds until it is revoked."""
    key_id = (await form_of(request)).get("key_id", "")
    known = await asyncio.to_thread(list_keys, studio_of(request).service.engine)
    old = next((key for key in known if key.key_id == key_id and key.revoked_at is None), None)
    if old is None:
        raise ApiError(404, "unknown_key", f"No valid key {key_id!r} is stored.")
    return await _made(request, old.name, old.scopes)


async def _made(request: Request, name: str, scopes: tuple[str, ...]) -> Response:
    """The page with the new key: its secret is shown this once."""
    if not 0 < len(name) <= LONGEST_KEY_NAME:
        raise ApiError(422, "invalid_body", f"A key's name should have 1 to {LONGEST_KEY_NAME} characters.")
    service, actor = studio_of(request).service, actor_of(request).key_id
    try:
        made = await asyncio.to_thread(add_key, service.engine, name, scopes, service.clock.now(), None, actor)
    except ConfigError as error:
        raise ApiError(422, "invalid_body", str(error)) from error
    await asyncio.to_thread(service.gate.reload)
    return await _with_secret(request, made=(name, *made))


@router.post("/people/revoke-key")
async def revoke(request: Request) -> Response:
    """Make an API key invalid; the next request with it is refused."""
    service, key_id = studio_of(request).service, (await form_of(request)).get("key_id", "")
    try:
        await asyncio.to_thread(revoke_key, service.engine, key_id, service.clock.now(), actor_of(request).key_id)
    except UnknownIdError as error:
        raise ApiError(404, "unknown_key", str(error)) from error
    await asyncio.to_thread(service.gate.reload)
    return RedirectResponse("/studio/people", 303)


async def _invited(request: Request, name: str, created_at: int) -> Response:
    """The page with the link for this user, and no later one of the same name: it is shown this once."""
    studio, actor = studio_of(request), actor_of(request).key_id
    now = studio.service.clock.now()
    await asyncio.wrap_future(
        studio.service.writer.submit(lambda connection: note(connection, now, actor, "make_link", {"name": name}))
    )
    secret = studio.links.invite(name, created_at)
    address = str(request.url.replace(path="/studio/enter", query=f"link={secret}"))
    return await _with_secret(request, invitation=(name, address))


async def _with_secret(request: Request, **secret: tuple[str, ...]) -> Response:
    shown = await asyncio.to_thread(people, studio_of(request))
    return render(request, "people.html.j2", shown=shown, twin="/studio/people.json", **(_drawn(shown) | secret))
