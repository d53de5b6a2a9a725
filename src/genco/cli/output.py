"""What goes to stdout: text for people, or one JSON object for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

SHOWN = 20


def show(values: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Print `values` as one JSON object, or `text`."""
    typer.echo(json.dumps(plain(values), ensure_ascii=False, allow_nan=False) if as_json else text)


def plain(value: Any) -> Any:
    """The value in JSON's types: numpy scalars and arrays as numbers and lists, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def first_of(reasons: Sequence[str]) -> list[str]:
    """The first reasons as indented lines, and how many more there are."""
    more = len(reasons) - SHOWN
    return [f"  {reason}" for reason in reasons[:SHOWN]] + [f"  and {more:,} more, listed with --json"] * (more > 0)


def number(value: Any) -> str:
    """A figure as a person reads it."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and abs(value) >= 1000):
        return f"{value:,.0f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
