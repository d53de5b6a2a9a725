"""Controls: what is shown, changed by a person. A link or form first shows what it would do, a second click does it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from genco.serving.errors import ApiError
from genco.studio.access import actor_of, form_of, may, studio_of
from genco.studio.pages.product import asked_of
from genco.studio.pages.twins import page
from genco.studio.queries.context import chosen_context
from genco.studio.queries.controls import ControlsPage, already_in_force, controls_page
from genco.studio.queries.wanted_change import ACTIONS, BY_NAME, Wanted, change_of
from genco.studio.users import EDITOR

router = APIRouter()
Text = Annotated[str, Query(max_length=1_000)]
Number = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
LISTED: dict[str, bool | None] = {"in_force": True, "undone": False, "all": None}
FIELDS = ("action", "product", "element", "other", "slot", "share")


def _drawn(shown: ControlsPage) -> dict[str, Any]:
    wanted = {name: getattr(shown.wanted, name) for name in FIELDS}
    context = chosen_context(shown.context)
    fields = {name: value for name, value in wanted.items() if value}
    given = fields | context
    if shown.undo is not None:
        fields |= {"undo": str(shown.undo)}

    def link(**changes: str | int) -> str:
        kept = {name: value for name, value in (given | changes).items() if value != ""}
        return f"/studio/controls?{urlencode(kept)}"

    return {
        "actions": ACTIONS,
        "action": BY_NAME.get(shown.wanted.action),
        "fields": fields,
        "chosen_context": context,
        "link": link,
        "listed": next(name for name, active in LISTED.items() if active is shown.active),
    }


@page(router, "/controls", "controls.html.j2", _drawn)
def show(
    request: Request,
    action: Text = "",
    product: Text = "",
    element: Text = "",
    other: Text = "",
    slot: Text = "",
    share: Text = "",
    undo: Number = None,
    done: Number = None,
    listed: Literal["in_force", "undone", "all"] = "in_force",
    before: Number = None,
) -> ControlsPage:
    """What can be changed, what a change would do in the context of `context.NAME`, and what was changed."""
    wanted = Wanted(action if action in BY_NAME else "", product, element, other, slot, share)
    context, _ = asked_of(request)
    return controls_page(studio_of(request), wanted, context, undo, done, LISTED[listed], before)


@router.post("/controls", dependencies=[Depends(may(EDITOR))])
async def apply(request: Request) -> Response:
    """Make the change."""
    studio, form = studio_of(request), await form_of(request)
    wanted = Wanted(**{name: form.get(name, "") for name in FIELDS})
    change = change_of(wanted)
    if await asyncio.to_thread(already_in_force, studio, change):
        raise ApiError(409, "already_in_force", "This is in force already.")
    made = await asyncio.to_thread(studio.service.controls.apply, [change], actor_of(request).key_id)
    return back(wanted.product, made[0].number)


@router.post("/controls/undo", dependencies=[Depends(may(EDITOR))])
async def undo(request: Request) -> Response:
    """Take an act back."""
    studio, form = studio_of(request), await form_of(request)
    number = form.get("number", "")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise ApiError(404, "unknown_control", f"No control {number!r} is stored.")
    made = await asyncio.to_thread(studio.service.controls.undo, int(number), actor_of(request).key_id)
    return back(form.get("product", ""), made.number)


def back(product: str, number: int) -> Response:
    """To what was done, with its undo."""
    kept = {"product": product, "done": number} if product else {"done": number}
    return RedirectResponse(f"/studio/controls?{urlencode(kept)}", 303)
