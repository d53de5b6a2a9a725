import pytest

from genco.benchmarks.peer_names import chosen_peers
from genco.errors import ConfigError


def test_names() -> None:
    known = {"b": 1, "a": 2, "c": 3}
    assert chosen_peers("all", known) == ["b", "a", "c"]
    assert chosen_peers("none", known) == []
    assert chosen_peers("a, b", known) == ["b", "a"]
    with pytest.raises(ConfigError, match=r"some of b, a, c\. Found 'd'"):
        chosen_peers("a,d", known)
