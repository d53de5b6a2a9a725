"""Templates: where they are, what they can say, and what stands in the navigation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from genco.drawings import words
from genco.version import __version__

NAVIGATION = (
    ("/studio/", "Overview"),
    ("/studio/products", "Products"),
    ("/studio/elements", "Elements"),
    ("/studio/interactions", "Interactions"),
    ("/studio/combinations", "Combinations"),
    ("/studio/policy", "Policy"),
    ("/studio/models", "Models"),
    ("/studio/controls", "Controls"),
    ("/studio/audit", "Audit"),
    ("/studio/people", "People"),
)
FOR_ADMINS = ("/studio/people",)
_FILTERS = ("clean", "rate", "signed", "number", "whole", "change", "fixed")


def when(microseconds: int | None) -> Markup:
    """A time of the store: UTC as text, which a script turns into the reader's zone."""
    if not microseconds:
        return Markup("–")
    at = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(at, at)


def percent(value: float | None) -> str:
    """A relative change as a signed percentage of one decimal."""
    return "–" if value is None else f"{words.signed(100 * value, 1)}%"


def event(rate_of: str) -> str:
    """What a predicted rate is of, in one word: click or conversion."""
    return "conversion" if rate_of == "num_conversions" else "click"


def duration(microseconds: int) -> str:
    """A whole number of the largest unit that fits."""
    seconds = microseconds // 1_000_000
    for length, unit in ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            return unit if seconds == length else f"{seconds // length} {unit}s"
    return f"{seconds} seconds"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("genco.studio"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(words, name) for name in _FILTERS}
    environment.filters |= {"when": when, "percent": percent, "duration": duration, "event": event}
    environment.globals |= {"navigation": NAVIGATION, "for_admins": FOR_ADMINS, "version": __version__}
    return environment


ENVIRONMENT = _environment()


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page. Every template may use `session` (None = nobody is signed in) and `path`."""
    values |= {"session": getattr(request.state, "session", None), "path": request.url.path}
    return HTMLResponse(ENVIRONMENT.get_template(template).render(**values), status)
