"""Clock, event ids, keys and configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from genco.errors import ConfigError, UnknownIdError
from genco.serving.clock import Clock
from genco.serving.config import service_config
from genco.serving.event_ids import EventIds
from genco.serving.keys import ValidKeys, add_key, key_hash, list_keys, revoke_key, valid_keys
from genco.serving.store import open_store
from genco.serving.tables import audit


def test_the_clock_never_goes_back() -> None:
    wall, monotonic = [5_000_000], [0]
    clock = Clock(wall=lambda: wall[0], monotonic=lambda: monotonic[0])
    assert clock.now() == 5_000
    wall[0], monotonic[0] = 0, 2_000_000
    assert clock.now() == 7_000
    assert Clock(not_before=9_000, wall=lambda: 0, monotonic=lambda: 0).now() == 9_001


def test_minted_ids_are_signed() -> None:
    ids = EventIds(b"a")
    minted = ids.mint()
    assert len(minted) == 31 and not ids.is_forged(minted)
    assert EventIds(b"b").is_forged(minted)
    changed = minted[:5] + ("A" if minted[5] != "A" else "B") + minted[6:]
    assert all(ids.is_forged(name) for name in (changed, "g1.", "g1.!!", minted + "AAAA"))
    assert not ids.is_forged("mine")
    assert len({ids.mint() for _ in range(100)}) == 100


def test_actors_are_hashed_and_held_out_for_ever() -> None:
    ids = EventIds(b"a")
    assert len(ids.actor("me")) == 32 and ids.actor("me") == EventIds(b"a").actor("me") != EventIds(b"b").actor("me")
    held = [ids.holds_out(ids.actor(str(i)), 0.2) for i in range(4_000)]
    assert 0.17 < sum(held) / 4_000 < 0.23
    assert held == [ids.holds_out(ids.actor(str(i)), 0.2) for i in range(4_000)]
    assert not any(ids.holds_out(ids.actor(str(i)), 0.0) for i in range(100))


def test_keys_are_stored_as_hashes_and_revoked(store_url: str) -> None:
    engine = open_store(store_url)
    key_id, secret = add_key(engine, "shop", ("decide", "ingest"), 5)
    with engine.connect() as connection:
        assert valid_keys(connection).by_hash[key_hash(secret)].scopes == ("decide", "ingest")
    revoke_key(engine, key_id, 9, "user:ann")
    with engine.connect() as connection:
        lines = connection.execute(select(audit.c.at, audit.c.key_id, audit.c.act, audit.c.detail)).all()
    assert [tuple(line)[:3] for line in lines] == [(5, "cli", "add_key"), (9, "user:ann", "revoke_key")]
    assert all(key_id in line.detail and secret not in line.detail for line in lines)
    with engine.connect() as connection:
        assert valid_keys(connection) == ValidKeys({}, frozenset(), 1)
    (key,) = list_keys(engine)
    assert (key.key_id, key.name, key.created_at, key.revoked_at) == (key_id, "shop", 5, 9)
    with pytest.raises(UnknownIdError, match="No valid key"):
        revoke_key(engine, key_id, 9)
    engine.dispose()


def test_wrong_keys_are_refused(tmp_path: Path) -> None:
    engine = open_store(str(tmp_path / "store.db"))
    with pytest.raises(ConfigError, match=r"should be one of decide, ingest, read, admin\. Found 'all'"):
        add_key(engine, "x", ("all",), 0)
    with pytest.raises(ConfigError, match="Found none"):
        add_key(engine, "x", (), 0)
    with pytest.raises(ConfigError, match=r"at least 16 characters\. Found 5"):
        add_key(engine, "x", ("read",), 0, "short")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "onlin"}, "unknown mode 'onlin'. Did you mean 'online'"),
        ({"holdot": 0.1}, "unknown key 'holdot'. Did you mean 'holdout'"),
        ({"holdout": 1.0}, r"`holdout` should be in \[0, 1\). Found 1.0"),
        ({"timeout_ms": 0}, "`timeout_ms` should be at least 1. Found 0"),
        ({"max_body_bytes": 2000.5}, "should be of type int"),
        ({"durability": 1}, "should be of type str. Found 1"),
    ],
)
def test_configuration_names_what_is_wrong(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        service_config(values)
