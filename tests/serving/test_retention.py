"""Old decisions go with their events, young ones stay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.kits.command_line import genco, genco_json
from tests.kits.service_rows import decision, event

from genco.serving import retention
from genco.serving.bulk_insert import insert_rows
from genco.serving.candidate_sets import CandidateSet, keep, read_sets
from genco.serving.store import open_store
from genco.serving.tables import candidate_sets, decisions, events

DAY = 86_400_000_000


def test_prune(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    engine, of = open_store(store_url), {0: "old", 5: "old", 6: "both", 8: "both"}
    with engine.begin() as connection:
        insert_rows(connection, decisions, [decision(f"d{i}", i) | {"candidates": of.get(i)} for i in range(10)])
        insert_rows(connection, candidate_sets, [{"digest": name, "body": "[]"} for name in ("gone", "old", "both")])
        insert_rows(connection, events, [event(f"d{i}", 20) for i in range(0, 10, 2)])
    assert retention.num_before(engine, 7) == retention.Pruned(7, 0, 2)
    assert retention.prune(engine, 7) == retention.Pruned(7, 4, 2)
    with engine.connect() as connection:
        assert sorted(connection.execute(select(decisions.c.event_id)).scalars()) == ["d7", "d8", "d9"]
        assert connection.execute(select(events.c.event_id)).scalars().all() == ["d8"]
        assert connection.execute(select(candidate_sets.c.digest)).scalars().all() == ["both"]
    assert retention.prune(engine, 7) == retention.Pruned()
    engine.dispose()


def test_a_set_that_a_decision_is_being_written_with_stays(store_url: str) -> None:
    """PostgreSQL passes it over, so that with several sets neither waits for the other for ever; SQLite waits."""
    engine = open_store(store_url)
    brought = CandidateSet("set", ())
    with engine.begin() as connection:
        insert_rows(connection, candidate_sets, [{"digest": "set", "body": "[]"}])
    with ThreadPoolExecutor(1) as thread:
        with engine.begin() as connection:
            insert_rows(connection, decisions, [decision("d", 5) | {"candidates": "set"}])
            keep(connection, brought)
            pruning = thread.submit(retention.prune, engine, 1)
            if engine.dialect.name == "postgresql":
                assert pruning.result(30) == retention.Pruned()
        assert pruning.result().candidate_sets == 0
    with engine.connect() as connection:
        assert read_sets(connection, ["set"]) == {"set": brought}
    engine.dispose()


def test_the_command_counts_first(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    engine = open_store(store)
    with engine.begin() as connection:
        insert_rows(connection, decisions, [decision("old", 3 * DAY - 1), decision("young", 3 * DAY)])
    engine.dispose()
    words = ("prune", "--store", store, "--before", "1970-01-04")
    assert "1 decisions with their events" in genco(*words).stdout
    assert genco_json(*words, "--yes") == {
        "before": "1970-01-04",
        "deleted": True,
        "decisions": 1,
        "events": 0,
        "candidate_sets": 0,
    }
    assert genco("prune", "--store", store, "--before", "yesterday").exit_code == 2
