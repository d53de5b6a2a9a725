"""Waiting for a condition rather than for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PATIENCE = 120.0  # seconds, for a machine many times slower than this one


def until(look: Callable[[], Found], said: str, seconds: float = PATIENCE) -> Found:
    """The first true thing that `look` finds. Fails with what was `said` and what was found last."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{said}. Found {found!r}"
        time.sleep(0.05)
    return found
