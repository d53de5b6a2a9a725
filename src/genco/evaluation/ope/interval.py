"""An interval for a value."""

from __future__ import annotations

from dataclasses import dataclass

from genco.errors import ConfigError


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float


def check_level(level: float) -> None:
    """Raise `ConfigError` for a level outside (0, 1)."""
    if not 0 < level < 1:
        raise ConfigError(f"Parameter `level` should be in (0, 1). Found `level = {level}`.")
