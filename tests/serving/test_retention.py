"""Old decisions go with their events, young ones stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from tests.kits.command_line import genco, genco_json
from tests.kits.service_rows import decision, event

from genco.serving import retention
from genco.serving.bulk_insert import insert_rows
from genco.serving.store import open_store
from genco.serving.tables import decisions, events

DAY = 86_400_000_000


def test_prune(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    engine = open_store(store_url)
    with engine.begin() as connection:
        insert_rows(connection, decisions, [decision(f"d{i}", i) for i in range(10)])
        insert_rows(connection, events, [event(f"d{i}", 20) for i in range(0, 10, 2)])
    assert retention.num_before(engine, 7) == 7
    assert retention.prune(engine, 7) == (7, 4)
    with engine.connect() as connection:
        assert sorted(connection.execute(select(decisions.c.event_id)).scalars()) == ["d7", "d8", "d9"]
        assert connection.execute(select(events.c.event_id)).scalars().all() == ["d8"]
    assert retention.prune(engine, 7) == (0, 0)
    engine.dispose()


def test_the_command_counts_first(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    engine = open_store(store)
    with engine.begin() as connection:
        insert_rows(connection, decisions, [decision("old", 3 * DAY - 1), decision("young", 3 * DAY)])
    engine.dispose()
    words = ("prune", "--store", store, "--before", "1970-01-04")
    assert "1 decisions would be deleted" in genco(*words).stdout
    assert genco_json(*words, "--yes") == {"before": "1970-01-04", "deleted": True, "decisions": 1, "events": 0}
    assert genco("prune", "--store", store, "--before", "yesterday").exit_code == 2
