"""Parameters of a query."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from genco.serving.errors import ApiError


def parameter(name: str, kind: str, required: bool = False, **limits: int) -> dict[str, Any]:
    """How OpenAPI describes it."""
    return {"name": name, "in": "query", "required": required, "schema": {"type": kind, **limits}}


def number(asked: Mapping[str, str], name: str, most: int) -> int | None:
    """A whole number from 1 to `most`, None where it is not given. Raises `ApiError` 422."""
    text = asked.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and 1 <= int(text) <= most):
        raise ApiError(422, "invalid_query", f"{name}: a number from 1 to {most} is expected. Found {text!r}.")
    return int(text)


def json_object(asked: Mapping[str, str], name: str) -> dict[str, Any] | None:
    """A JSON object of plain values, None where it is not given. Raises `ApiError` 422."""
    text = asked.get(name)
    if text is None:
        return None
    try:
        found = json.loads(text)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()  # no NaN, no half of a surrogate pair
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(isinstance(value, (dict, list)) for value in found.values()):
        raise ApiError(422, "invalid_query", f"{name}: a JSON object of plain values is expected. Found {text!r}.")
    return found
