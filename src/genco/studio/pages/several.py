"""Several elements approved, held back or stopped in one act, looked at first and undone at once."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from genco.studio.access import actor_of, fields_of, may, studio_of
from genco.studio.pages.controls import back
from genco.studio.pages.product import asked_of
from genco.studio.pages.twins import page
from genco.studio.queries.context import chosen_context
from genco.studio.queries.several import Several, change_of_several, several
from genco.studio.queries.wanted_change import BY_NAME, STATUS
from genco.studio.users import EDITOR

router = APIRouter()


def _drawn(shown: Several) -> dict[str, Any]:
    return {
        "actions": [BY_NAME[name] for name in STATUS],
        "action": BY_NAME.get(shown.action),
        "statuses": STATUS,
        "element_fields": [
            *(("element", element.element_id) for element in shown.elements),
            *chosen_context(shown.context).items(),
        ],
    }


@page(router, "/controls/several", "several.html.j2", _drawn)
def show(
    request: Request,
    element: Annotated[list[str] | None, Query()] = None,
    action: Annotated[str, Query(max_length=20)] = "",
    product: Annotated[str, Query(max_length=1_000)] = "",
) -> Several:
    """What the act would do to the elements chosen, in the context of `context.NAME`."""
    context, _ = asked_of(request)
    return several(studio_of(request), action if action in STATUS else "", element or [], product, context)


@router.post("/controls/several", dependencies=[Depends(may(EDITOR))])
async def apply(request: Request) -> Response:
    """Make the change."""
    studio, fields = studio_of(request), await fields_of(request)
    action = dict(fields).get("action", "")
    chosen = [value for name, value in fields if name == "element"]
    change = await asyncio.to_thread(change_of_several, studio, action, chosen)
    made = await asyncio.to_thread(studio.service.controls.apply, [change], actor_of(request).key_id)
    return back("", made[0].number)
