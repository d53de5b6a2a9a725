"""Keys of TOML tables written by people: an unknown key or value is refused, naming the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from genco.errors import DataError


def check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Raise `DataError` beginning with `where` on the first key that is not in `known`."""
    for key in table:
        if key not in known:
            raise DataError(f"{where}: {unknown_value('key', key, known)}")


def unknown_value(what: str, value: Any, known: Sequence[str]) -> str:
    """Say that `value` is not one of `known`, and which of them is nearest."""
    near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known) or 'none'}."
    return f"unknown {what} {value!r}. {hint}"
