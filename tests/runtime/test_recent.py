"""The last values asked for stay; the one asked for longest ago leaves."""

from __future__ import annotations

import pytest

from genco.errors import ConfigError
from genco.runtime.recent import Recent


def test_the_one_asked_for_longest_ago_leaves() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert recent.get("b") is None and recent.keys() == ["a", "c"] and len(recent) == 2
    recent.put("a", 9)
    assert recent.get("a") == 9 and recent.keys() == ["c", "a"]


def test_a_store_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="Found `size = 0`"):
        Recent(0)
