"""The overview."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from genco.studio.access import studio_of
from genco.studio.pages.twins import page
from genco.studio.queries.overview import MIN_CLICKS, Overview, overview

router = APIRouter()
POLICY_WORDS = {
    "model": "the model",
    "holdout": "holdout: your baseline, for comparison",
    "baseline": "your baseline, where the model did not choose",
}


def _drawn(shown: Overview) -> dict[str, Any]:
    """What the charts read; of a period that is not over only the lift."""
    points = shown.points
    over = [point.start + shown.period <= shown.until for point in points]
    columns = {
        "start": [point.start // 1_000_000 for point in points],
        "impressions": [point.impressions if done else None for point, done in zip(points, over, strict=True)],
        "rate": [point.clicks / point.impressions if done else None for point, done in zip(points, over, strict=True)],
        "lift": [point.lift.value for point in points],
        "low": [point.lift.low for point in points],
        "high": [point.lift.high for point in points],
    }
    return {"points": json.dumps(columns), "policy_words": POLICY_WORDS, "min_clicks": MIN_CLICKS}


@page(router, "/", "overview.html.j2", _drawn)
def show(request: Request) -> Overview:
    """How the service does."""
    return overview(studio_of(request))
