"""Counts kept as the log grows are those of the log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from tests.kits.running_service import InProcess
from tests.kits.service_rows import decision

from genco.serving import shown_tally
from genco.serving.reports import shown_combinations
from genco.serving.shown_tally import ShownTally
from genco.serving.tables import decisions, events
from genco.storage.runs import RunFolder


def fill(running: InProcess, prefix: str, num: int) -> None:
    """Decisions that were shown, over a second before now; every third clicked."""
    at = running.service.clock.now() - 1_000_000
    made = [
        decision(f"{prefix}{i}", at + i, True) | {"product_id": f"p{i % 3}", "combination": f'["t{i % 7}",null]'}
        for i in range(num)
    ]
    row: dict[str, Any] = {"kind": "click", "slot_id": "", "value": 1.0, "received_at": at, "late": False}
    clicked = [row | {"row_id": f"c{entry['event_id']}", "event_id": entry["event_id"]} for entry in made[::3]]

    def write(connection: Any) -> None:
        connection.execute(insert(decisions), made)
        connection.execute(insert(events), clicked)

    running.service.writer.submit(write).result()


def test_counts_are_those_of_the_log(pairs_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_tally, "CHUNK", 40)
    monkeypatch.setattr(shown_tally, "FRESH_SECONDS", 0.0)
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), reward_window_seconds=60) as running:
        tally = ShownTally(running.service)

        def agree() -> int:
            found = tally.now().of()
            with running.service.engine.connect() as connection:
                assert found == shown_combinations(connection)
            return sum(row.impressions for row in found)

        assert agree() == 0
        fill(running, "a", 150)
        assert agree() == 150 and agree() == 150  # unsettled ones are counted anew
        late = {"row_id": "x", "event_id": "a1", "kind": "click", "slot_id": "", "value": 1.0, "late": False}
        late["received_at"] = running.service.clock.now()
        running.service.writer.submit(lambda store: store.execute(insert(events).values(**late))).result()
        assert agree() == 150
        before = tally.now()
        running.travel(120)
        assert agree() == 150 and tally._settled
        fill(running, "b", 60)
        assert agree() == 210
        assert sum(row.impressions for row in before.of()) == 150  # what was handed out stays as it is
        assert {row.product_id for row in tally.now().of("p1")} == {"p1"}


def test_a_long_log_is_counted_before_it_is_reported(
    pairs_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), reward_window_seconds=1) as running:
        monkeypatch.setattr(shown_tally, "CHUNK", 10)
        monkeypatch.setattr(shown_tally, "PATIENCE_SECONDS", -1.0)
        fill(running, "a", 100)
        running.travel(30)
        running.state.shown = ShownTally(running.service)
        answers = [running.client.get("/v1/reports/combinations") for _ in range(12)]
        assert [answer.status_code for answer in answers][::11] == [503, 200]
        assert answers[0].json()["error"]["code"] == "counting" and answers[0].headers["retry-after"] == "5"
        assert answers[-1].json()["impressions"] == 100


@pytest.mark.soak
def test_reports_of_300_000_decisions(pairs_run: RunFolder, tmp_path: Path) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), reward_window_seconds=1) as running:
        for part in range(30):
            fill(running, f"part-{part}-", 10_000)
        running.travel(30)
        started = time.perf_counter()
        with running.service.engine.connect() as connection:
            whole = sum(row.impressions for row in shown_combinations(connection))
        sql = time.perf_counter() - started
        tally = ShownTally(running.service)
        while not tally._settle(running.service.clock.now()):
            pass
        fill(running, "new", 1_000)
        started = time.perf_counter()
        found = sum(row.impressions for row in tally.now().of())
        kept = time.perf_counter() - started
        print(f"{whole} decisions: the whole log {sql:.2f} s, kept counts and the last 1,000 {kept:.3f} s")
        assert found == whole + 1_000 and kept < sql / 10
