"""A run trained on revenue, served: conversions are its rewards, and expected revenue is rate times value."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import insert
from tests.kits.revenue_dataset import revenue_dataset
from tests.kits.running_service import KEY, InProcess, RunningService
from tests.kits.service_rows import decision, event

from genco.policies.optimizer import load
from genco.serving.actor_caps import ActorCaps
from genco.serving.export import export_log
from genco.serving.joiner import CONVERSIONS, EventRow, ingest, settled
from genco.serving.keys import SCOPES, add_key
from genco.serving.retraining import retrain
from genco.serving.store import open_store
from genco.serving.tables import decisions, events
from genco.storage.dataset import open_dataset
from genco.training.config import config_from
from genco.training.train import train

QUICK: dict[str, Any] = {
    "training": {"steps": 2, "requests": 8, "group": 4, "warm_start_steps": 2},
    "reward_model": {"residual": "off", "max_rounds": 2, "max_own_rank": 4},
    "generator": {"width": 8},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return train(revenue_dataset(tmp_path / "sales"), tmp_path / "run", config_from(QUICK)).path


def explained(running: InProcess | RunningService) -> dict[str, Any]:
    """Probability and expected revenue of one card of p1, the same each time."""
    answer = running.decide("p1", explain=True, pinned=[{"slot_id": "title", "element_id": "t1"}])
    found = answer["attribution"]
    assert isinstance(found, dict) and answer["candidates"][0]["expected_revenue"] > 0
    return found


def test_conversions_are_rewards_and_returns_are_not(store_url: str) -> None:
    """Clicks count for a run on clicks alone; a conversion counts 1 and not what it brought in."""
    engine = open_store(store_url)
    reports = [("a", "click", 1.0), ("a", "conversion", 20.0), ("b", "click", 1.0), ("c", "reward", 0.5)]
    reports += [("d", "conversion", -20.0), ("e", "conversion", 0.0)]
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision(name, i, True) for i, name in enumerate("abcde")])
        connection.execute(insert(events), [event(name, 9, kind) | {"value": v} for name, kind, v in reports])
    with engine.connect() as connection:
        of_clicks = [row.reward for row in settled(connection, 0, 9)]
        rows = list(settled(connection, 0, 9, rate_of=CONVERSIONS))
    engine.dispose()
    assert of_clicks == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert [row.reward for row in rows] == [1.0, 0.0, 0.5, 0.0, 1.0]
    assert [row.revenue for row in rows] == [20.0, 0.0, 0.0, 0.0, 0.0]


def test_limits_on_rewards_are_limits_on_conversions(store_url: str) -> None:
    engine, caps = open_store(store_url), ActorCaps(1, 10)
    rows = [EventRow("a", "conversion", "", 5.0, "1"), EventRow("a", "click", "", 1.0, "")]
    rows += [EventRow("b", "conversion", "", 5.0, "1")]
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision(name, 0) | {"actor": "eve"} for name in "ab"])
        verdicts = ingest(connection, rows, 5, 100, "earliest", caps, CONVERSIONS)
    engine.dispose()
    assert [verdict.status for verdict in verdicts] == ["accepted", "accepted", "rejected"]
    assert verdicts[2].code == "actor_cap"


def test_a_real_server_learns_the_rate_of_conversions(run: Path, tmp_path: Path) -> None:
    """Twenty cards of p1 that are clicked and never bought: what is expected of it falls, by the same factor."""
    store = open_store(str(tmp_path / "store.db"))
    add_key(store, "test", SCOPES, 0, KEY)
    store.dispose()
    with RunningService(
        run, str(tmp_path / "store.db"), tmp_path, learn_every_seconds=0.5, reward_window_seconds=1, timeout_ms=5_000
    ) as running:
        before = explained(running)
        value = load(run).value
        assert value is not None and before["rate_of"] == "num_conversions"
        worth, interval = before["event_value"], value.interval("p1")
        assert interval is not None and (worth["low"], worth["high"]) == pytest.approx(interval)
        assert worth["low"] <= worth["value"] <= worth["high"] and worth["value"] == pytest.approx(value.of("p1"))
        assert before["expected_revenue"] == pytest.approx(before["click_probability"] * value.of("p1"))
        ids = [running.decide("p1", defer_activation=False)["event_id"] for _ in range(20)]
        running.report(*({"event_id": name, "kind": "click"} for name in ids))
        deadline = time.monotonic() + 60
        while len(running.client.get("/v1/models").json()["models"]) < 2 and time.monotonic() < deadline:
            time.sleep(0.3)
        after = explained(running)
        report = running.client.get("/v1/reports/policy").json()
    assert after["click_probability"] < before["click_probability"]
    assert after["expected_revenue"] == pytest.approx(after["click_probability"] * value.of("p1"))
    assert (report["rate_of"], report["mean_reward"]) == ("num_conversions", 0.0)


def test_the_next_run_is_trained_on_revenue_too(run: Path, tmp_path: Path) -> None:
    """Two orders of one decision are one conversion with the sum; what was returned whole is no revenue."""
    with InProcess(run, str(tmp_path / "store.db"), timeout_ms=5_000) as running:
        segments = ("a", "b")
        made = [
            running.decide(("p1", "p2")[i % 2], context={"segment": segments[i % 2]}, defer_activation=False)
            for i in range(40)
        ]
        ids = [answer["event_id"] for answer in made]
        rows = [{"event_id": name, "kind": "conversion", "value": 10.0, "id": "1"} for name in ids[::4]]
        rows += [{"event_id": ids[0], "kind": "conversion", "value": 5.0, "id": "2"}]
        rows += [{"event_id": ids[4], "kind": "conversion", "value": -10.0, "id": "3"}]
        rows += [{"event_id": ids[8], "kind": "conversion", "value": -12.0, "id": "3"}]
        rows += [{"event_id": name, "kind": "click"} for name in ids[:30]]
        running.report(*rows)
        engine, until = running.service.engine, running.service.clock.now() + 1
        export_log(engine, tmp_path / "data", until)
        sales = open_dataset(tmp_path / "sales")
        rates = export_log(engine, tmp_path / "rates", until, as_rate=True, older=sales)
        done = retrain(engine, tmp_path / "next", until, older=sales)
    dataset = open_dataset(tmp_path / "data")
    log = pl.concat([pl.read_parquet(file.path) for file in dataset.files])
    by_id = {row["impression_id"]: row for row in log.iter_rows(named=True)}
    sold = [(by_id[name]["num_conversions"], by_id[name]["revenue"]) for name in ids[:12:4]]
    assert sold == [(1, 15.0), (1, 0.0), (1, 0.0)] and dataset.meta.reward == "revenue"
    assert (log["num_clicks"].sum(), log["num_conversions"].sum()) == (30, 10)
    assert (open_dataset(tmp_path / "rates").meta.reward, rates.joined) == ("num_conversions", 12)
    following = load(done.path)
    assert (done.rows, done.joined) == (40, 12)
    assert following.value is not None and following.meta.reward == "num_conversions"
