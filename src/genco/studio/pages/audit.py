"""The audit log."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request

from genco.studio.access import studio_of
from genco.studio.pages.twins import page
from genco.studio.queries.audit import Audit, audit_log

router = APIRouter()
Text = Annotated[str, Query(max_length=200)]
ACT_WORDS = {
    "add_key": "added an API key",
    "add_user": "added somebody",
    "advance_rollout": "entered the next stage of a rollout",
    "apply_control": "changed what is shown",
    "begin_rollout": "began a staged rollout",
    "choose_password": "chose a password",
    "change_role": "gave somebody another role",
    "close_alarm": "closed an alarm",
    "make_link": "made a sign-in link",
    "promote_model": "promoted a model",
    "register_model": "made a model known",
    "remove_user": "removed somebody",
    "retrain": "began to retrain",
    "revoke_key": "revoked an API key",
    "roll_back_model": "rolled a model back",
    "undo_control": "took a change back",
}


def _drawn(shown: Audit) -> dict[str, Any]:
    kept = {"actor": shown.actor, "act": shown.act, "about": shown.about}
    older = {**kept, "before": shown.older}
    said = {act: ACT_WORDS.get(act, act.replace("_", " ")) for act in shown.acts}
    return {"said": said, "older": urlencode({name: value for name, value in older.items() if value})}


@page(router, "/audit", "audit.html.j2", _drawn)
def show(
    request: Request,
    actor: Text = "",
    act: Text = "",
    about: Text = "",
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Audit:
    """Who changed what, newest first."""
    return audit_log(studio_of(request), actor, act, about.strip(), before)
