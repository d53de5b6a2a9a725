"""The guard on a running service: what it reads, when it goes on, and how it ends a rollout."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.kits.other_run import other_run
from tests.kits.running_service import InProcess, RunningService, error_code
from tests.kits.service_rows import decision
from tests.kits.waiting import PATIENCE, until

from genco.serving.guard import Guard
from genco.serving.rollout import CANDIDATE, CONTROL, Plan
from genco.serving.store import open_store
from genco.serving.tables import audit, decisions, events, rollouts
from genco.storage.runs import RunFolder

SOON = {"timeout_ms": 200.0}  # the guard waits for choices that may still time out
QUIET = {"guard_every_seconds": 0, **SOON}


@pytest.fixture
def second(pairs_run: RunFolder, tmp_path: Path) -> Path:
    return other_run(pairs_run.path, tmp_path / "second", 0.5)


def begin(running: InProcess, path: Path, **plan: Any) -> str:
    version = running.service.live.register(path).version
    running.service.live.begin_rollout(version, Plan(**plan))
    return version


def rows(prefix: str, at: int, num: int, arm: str, **values: Any) -> list[dict[str, Any]]:
    """Decisions of one arm."""
    return [decision(f"{prefix}{i}", at + i) | {"arm": arm, "took_us": 4_000, **values} for i in range(num)]


def clicks(made: list[dict[str, Any]], every: int) -> list[dict[str, Any]]:
    """A click on every `every`-th of the decisions."""
    values = {"kind": "click", "slot_id": "", "value": 1.0, "late": False}
    return [
        {"row_id": f"c{row['event_id']}", "event_id": row["event_id"], "received_at": row["decided_at"] + 1, **values}
        for row in made[::every]
    ]


def fill(running: InProcess, made: list[dict[str, Any]], reported: list[dict[str, Any]]) -> None:
    def write(connection: Any) -> None:
        connection.execute(insert(decisions), made)
        if reported:
            connection.execute(insert(events), reported)

    running.service.writer.submit(write).result()
    running.travel(5)


def test_a_worse_candidate_is_rolled_back_with_an_alarm(pairs_run: RunFolder, second: Path, tmp_path: Path) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), **QUIET) as running:
        control = running.service.live.version.version
        candidate = begin(running, second, stages=(50.0, 100.0))
        guard, at = Guard(running.service), running.service.clock.now()
        running.state.guard = guard
        good, bad = rows("a", at, 500, CONTROL), rows("b", at, 500, CANDIDATE)
        fill(running, good + bad, clicks(good, 10) + clicks(bad, 10))
        assert guard.round() == []
        shown = running.client.get("/v1/models").json()["rollout"]
        assert [arm["decisions"] for arm in shown["arms"]] == [500, 500]
        assert [arm["mean_reward"] for arm in shown["arms"]] == [0.1, 0.1]
        assert [arm["p99_ms"] for arm in shown["arms"]] == [4.0, 4.0]
        assert shown["difference"]["low"] < 0 < shown["difference"]["high"]
        at = running.service.clock.now()
        good, bad = rows("c", at, 1_000, CONTROL), rows("d", at, 1_000, CANDIDATE)
        fill(running, good + bad, clicks(good, 5))
        assert [breach.name for breach in guard.round()] == ["rollout_value"]
        assert running.service.live.serving.rollout is None
        assert running.service.live.version.version == control and running.service.live.learning
        (alarm,) = running.client.get("/v1/alarms").json()["alarms"]
        assert alarm["name"] == "rollout_value" and alarm["detail"]["high"] < 0
        assert alarm["detail"]["version"] == candidate
        text = running.client.get("/metrics").text
        assert 'genco_open_alarms{name="rollout_value"} 1.0' in text
        assert 'genco_guardrail_rollbacks_total{guardrail="rollout_value"} 1.0' in text
        with running.service.engine.connect() as connection:
            noted = connection.execute(select(audit).where(audit.c.key_id == "guardrail")).one()
            assert noted.act == "roll_back_model" and "rollout_value" in noted.detail
            outcome = connection.execute(select(rollouts.c.outcome)).scalar()
            assert outcome == "rolled back by guardrail: rollout_value"
        assert running.client.post(f"/v1/alarms/{alarm['number']}/close").json() == {"alarms": []}
        again = running.client.post(f"/v1/alarms/{alarm['number']}/close")
        assert (again.status_code, again.json()["error"]["code"]) == (404, "unknown_alarm")


@pytest.mark.parametrize(
    ("candidate", "num", "broken"),
    [
        ({"reason": "scoring_failed", "policy": "baseline"}, 300, "rollout_errors"),
        ({"reason": "timeout", "policy": "baseline"}, 300, "rollout_errors"),
        ({"took_us": 150_000}, 300, "rollout_latency"),
        ({}, 120, "rollout_sample_ratio"),
    ],
)
def test_what_else_rolls_back(
    pairs_run: RunFolder, second: Path, tmp_path: Path, candidate: dict[str, Any], num: int, broken: str
) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), **QUIET) as running:
        begin(running, second, stages=(50.0, 100.0))
        guard, at = Guard(running.service), running.service.clock.now()
        fill(running, rows("a", at, 300, CONTROL) + rows("b", at, num, CANDIDATE, **candidate), [])
        assert [breach.name for breach in guard.round()] == [broken]
        assert running.service.live.serving.rollout is None


def test_stages_go_on_by_themselves(pairs_run: RunFolder, second: Path, tmp_path: Path) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), **QUIET) as running:
        candidate = begin(running, second, stages=(50.0, 80.0, 100.0), minutes=1.0, min_decisions=3)
        guard, live = Guard(running.service), running.service.live
        running.travel(70)
        guard.round()
        assert live.serving.rollout is not None and live.serving.rollout.stage == 0  # no decisions yet
        at = running.service.clock.now()
        fill(running, rows("a", at, 3, CONTROL) + rows("b", at, 3, CANDIDATE), [])
        guard.round()
        assert live.serving.rollout is not None and live.serving.rollout.stage == 1
        running.travel(70)
        guard.round()
        assert live.serving.rollout.stage == 1  # a stage counts its own decisions
        fill(running, rows("c", running.service.clock.now(), 3, CANDIDATE), [])
        guard.round()
        assert live.serving.rollout is None and live.version.version == candidate


def test_a_rollout_rests_while_the_model_does_not_choose(pairs_run: RunFolder, second: Path, tmp_path: Path) -> None:
    """Begun online, the service started again in another mode: its decisions say nothing of the candidate."""
    store = str(tmp_path / "s.db")
    with InProcess(pairs_run.path, store, **QUIET) as running:
        begin(running, second, stages=(1.0, 100.0), minutes=0, min_decisions=0)
    with InProcess(pairs_run.path, store, mode="apprentice", **QUIET) as running:
        assert not Guard(running.service).round()
        under_way = running.service.live.serving.rollout
        assert under_way is not None and under_way.stage == 0
        refused = running.client.post("/v1/models/retrain", json={"then": "stage"})
        assert (refused.status_code, error_code(refused)) == (409, "not_online")


def test_a_restart_reads_the_stage_again(pairs_run: RunFolder, second: Path, store_url: str) -> None:
    with InProcess(pairs_run.path, store_url, **QUIET) as running:
        begin(running, second, stages=(50.0, 100.0))
        at = running.service.clock.now()
        made = rows("a", at, 200, CONTROL) + rows("b", at, 200, CANDIDATE)
        fill(running, made, clicks(made, 4))
        early, late = Guard(running.service), Guard(running.service)
        early.round()
        under_way = running.service.live.serving.rollout
        assert under_way is not None
        running.travel(1_500)
        early.round()
        late.round()
        one, other = early.evidence(under_way), late.evidence(under_way)
        assert one is not None and other is not None
        assert (one.decisions == other.decisions).all() and (one.reward == other.reward).all()
        assert one.decisions.sum() == 400 and one.reward.sum() == 100


@pytest.mark.parametrize("limit", [PATIENCE, pytest.param(10.0, marks=pytest.mark.soak)])
def test_within_ten_seconds_of_the_evidence(pairs_run: RunFolder, second: Path, tmp_path: Path, limit: float) -> None:
    """A real server; another process writes the evidence into its store. How long it takes is the machine's affair
    where others work on it too."""
    store = str(tmp_path / "s.db")
    with RunningService(pairs_run.path, store, tmp_path, **SOON) as running:
        models = running.client.post("/v1/models", json={"path": str(second)}).json()["models"]
        (version,) = (model["version"] for model in models if not model["served"])
        answer = running.client.post(f"/v1/models/{version}/promote", json={"staged": True, "stages": [50, 100]})
        rollout = answer.json()["rollout"]
        at = rollout["stage_at"] + 100_000
        good, bad = rows("a", at, 1_500, CONTROL), rows("b", at, 1_500, CANDIDATE)
        engine = open_store(store)
        with engine.begin() as connection:
            connection.execute(insert(decisions), good + bad)
            connection.execute(insert(events), clicks(good, 5))
        written = time.monotonic()
        engine.dispose()
        until(lambda: running.client.get("/v1/models").json()["rollout"] is None, "The rollout should end")
        took = time.monotonic() - written
        assert running.client.get("/v1/alarms").json()["alarms"][0]["name"] == "rollout_value"
        print(f"rolled back {took:.1f} s after the evidence")
        assert took < limit
