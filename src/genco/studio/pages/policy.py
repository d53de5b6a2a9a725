"""Policy: off-policy values of versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request

from genco.evaluation.ope.policy_value import BETTER, CANNOT_TELL, WORSE
from genco.studio.access import studio_of
from genco.studio.pages.twins import page
from genco.studio.queries.policy import ROWS, Policy, policy

router = APIRouter()
VERDICT_WORDS = {
    BETTER: "Better than what was served: the whole interval of the difference lies above 0.",
    WORSE: "Worse than what was served: the whole interval of the difference lies below 0.",
    CANNOT_TELL: "Cannot tell: the interval of the difference contains 0.",
}
VERDICT_MARKS = {BETTER: "BEST", WORSE: "LOW", CANNOT_TELL: "PENDING"}


def _drawn(_: Policy) -> dict[str, Any]:
    return {"words": VERDICT_WORDS, "marks": VERDICT_MARKS, "row_choices": ROWS}


@page(router, "/policy", "policy.html.j2", _drawn)
def show(
    request: Request,
    version: Annotated[str, Query(max_length=64)] = "",
    rows: Annotated[int | None, Query(ge=1, le=50_000)] = None,
) -> Policy:
    """Values where a number of rows is asked for."""
    return policy(studio_of(request), version, rows)
