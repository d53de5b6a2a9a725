"""Forged rewards are taken out of what is served, of exports and of nothing else; and a restart changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, update
from tests.kits.running_service import InProcess
from tests.kits.service_rows import decision, event

from genco.models.online_evidence import OnlineEvidence
from genco.policies.optimizer import Optimizer
from genco.serving import forged_evidence
from genco.serving.actor_limits import ActorLimits
from genco.serving.alarms import open_alarms
from genco.serving.bulk_insert import insert_rows
from genco.serving.export import export_log
from genco.serving.forged_evidence import judged_from
from genco.serving.joiner import CLICKS, of_rewarded_actors, settled
from genco.serving.learner import Learner
from genco.serving.store import open_store
from genco.serving.tables import decisions, events
from genco.storage.runs import RunFolder

FORGERS, EACH = 3, 30
ROUND_US = 1_200_000_000
OPEN = {"decisions_per_actor": 0, "decisions_per_actor_and_product": 0}


def log_of_a_round(optimizer: Optimizer, forged: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """400 decisions of as many honest actors, 8 clicked; and 90 of forgers, who click the first title."""
    rng, catalogue, ids = np.random.default_rng(3), optimizer.catalogue, optimizer.catalogue.elements["element_id"]
    made, clicks = [], []
    for number in range(400 + FORGERS * EACH * forged):
        is_forger = number >= 400
        chosen = [int(rng.choice(catalogue.pool(0, slot))) for slot in range(3)]
        name = f"d{number:04}"
        names = json.dumps([str(ids[row]) for row in chosen])
        who = f"forger-{number % FORGERS}" if is_forger else f"actor-{number}"
        product = str(catalogue.products["product_id"][0])
        made.append(decision(name, number, True) | {"actor": who, "product_id": product, "combination": names})
        if number % 50 == 7 if not is_forger else chosen[0] == catalogue.pool(0, 0)[0]:
            clicks.append(event(name, number + 1))
    return made, clicks


def write(engine: Engine, log: tuple[list[dict[str, Any]], list[dict[str, Any]]], start: int) -> None:
    with engine.begin() as connection:
        insert_rows(connection, decisions, [row | {"decided_at": row["decided_at"] + start} for row in log[0]])
        insert_rows(connection, events, [row | {"received_at": row["received_at"] + start} for row in log[1]])


def effect(running: InProcess) -> float:
    """What the served model thinks of the product's first title beside the mean of its titles, in logits."""
    optimizer = running.service.model.optimizer
    pools = [optimizer.catalogue.pool(0, slot) for slot in range(3)]
    grid = np.stack(np.meshgrid(*pools, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.int32)
    context = np.zeros((len(grid), optimizer.encoders.context.dim), dtype=np.float32)
    uplift = optimizer.policy.bound.uplift(np.zeros(len(grid), dtype=np.int32), grid, context)
    return float(uplift[grid[:, 0] == pools[0][0]].mean() - uplift.mean())


def learned(run: RunFolder, folder: Path, log: Any, **config: Any) -> tuple[float, int, Any]:
    """The title's effect after a round of learning, decisions that an export leaves out, and alarms."""
    folder.mkdir()
    with InProcess(
        Path(shutil.copytree(run.path, folder / "run")), str(folder / "s.db"), **{**OPEN, **config}
    ) as running:
        write(running.service.engine, log, running.service.clock.now() + 1)
        running.travel(ROUND_US / 1e6)
        assert Learner(running.service).round() == len(log[0])
        with running.service.engine.connect() as connection:
            alarms = [(alarm.name, alarm.detail) for alarm in open_alarms(connection)]
        now, limits = running.service.clock.now(), running.service.limits
        done = export_log(running.service.engine, folder / "data", now, limits=limits)
        assert done.rows + done.left_out == len(log[0])
        return effect(running), done.left_out, alarms


def test_what_forgers_click_is_learned_as_expected(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    honest, *quiet = learned(pairs_run, tmp_path / "honest", log_of_a_round(pairs_optimizer, False))
    log = log_of_a_round(pairs_optimizer, True)
    judged, left_out, alarms = learned(pairs_run, tmp_path / "judged", log)
    unjudged, *off = learned(pairs_run, tmp_path / "off", log, forged_window_hours=0.0)
    forged, title = len(log[1]) - 8, pairs_optimizer.catalogue.elements["element_id"][0]
    assert quiet == off == [0, []]
    assert left_out == forged > 10
    assert alarms == [("rewards_forged", {"rewards": forged, "actors": FORGERS, "element": title})]
    assert abs(judged - honest) < 0.15 * (unjudged - honest)


def two_rounds(
    run: RunFolder, folder: Path, optimizer: Optimizer, restart: bool = False, **config: Any
) -> tuple[OnlineEvidence, float]:
    """A round with forgers and one without; the evidence and the title's effect afterwards."""
    folder.mkdir()
    copy, store = shutil.copytree(run.path, folder / "run"), str(folder / "s.db")
    first, second = log_of_a_round(optimizer, True), log_of_a_round(optimizer, False)
    second = tuple([row | {"event_id": f"again-{row['event_id']}"} for row in rows] for rows in second)  # type: ignore
    second[1][:] = [row | {"row_id": f"again-{row['row_id']}"} for row in second[1]]

    def play(running: InProcess, learner: Learner, log: Any, start: int) -> OnlineEvidence:
        write(running.service.engine, log, start)
        running.service.clock._offset += start + ROUND_US - running.service.clock.now()
        assert learner.round() == len(log[0])
        return learner._states["control"].evidence

    with InProcess(copy, store, **OPEN, **config) as running:
        start, learner = running.service.clock.now() + 1, Learner(running.service)
        play(running, learner, first, start)
        if not restart:
            return play(running, learner, second, start + ROUND_US), effect(running)
    with InProcess(copy, store, **OPEN, **config) as running:
        return play(running, Learner(running.service), second, start + ROUND_US), effect(running)


def test_a_judgement_is_final_after_its_time_and_a_restart_changes_nothing(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    open_still, effect_open = two_rounds(pairs_run, tmp_path / "open", pairs_optimizer)
    closed, effect_closed = two_rounds(pairs_run, tmp_path / "closed", pairs_optimizer, forged_window_hours=0.2)
    again, effect_again = two_rounds(pairs_run, tmp_path / "again", pairs_optimizer, True, forged_window_hours=0.2)
    forged = len(log_of_a_round(pairs_optimizer, True)[1]) - 8
    assert 0.8 * forged < open_still.offset.sum() - closed.offset.sum() < forged  # for good, but for what is expected
    assert effect_closed == pytest.approx(effect_open, abs=0.01)
    assert effect_again == pytest.approx(effect_closed, abs=1e-5)
    assert again.linear == pytest.approx(closed.linear, abs=1e-5)


def test_where_traffic_is_heavy_a_judgement_is_final_sooner_not_lost(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_still, _ = two_rounds(pairs_run, tmp_path / "open", pairs_optimizer)
    monkeypatch.setattr(forged_evidence, "MOST_DECISIONS", 400)  # those of the second round
    closed, _ = two_rounds(pairs_run, tmp_path / "closed", pairs_optimizer)
    forged = len(log_of_a_round(pairs_optimizer, True)[1]) - 8
    assert 0.8 * forged < open_still.offset.sum() - closed.offset.sum() < forged


def test_the_newest_decisions_are_judged(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forged_evidence, "MOST_DECISIONS", 3)
    engine = open_store(store_url)
    with engine.begin() as connection:
        insert_rows(connection, decisions, [decision(f"d{at}", at, True) for at in range(10, 16)])
        for judged_us, expected in ((2, 11), (3, 10), (100, 10)):
            assert judged_from(connection, 13, ActorLimits(0, 0, 0, judged_us)) == expected
        assert judged_from(connection, 16, ActorLimits(0, 0, 0, 100)) == 13
        assert judged_from(connection, 12, ActorLimits(0, 0, 0, 100)) == -88  # fewer than three: all of the time
    engine.dispose()


def test_decisions_of_actors_with_several_rewarded_ones(store_url: str) -> None:
    engine = open_store(store_url)
    actors = ("a", "a", "a", "b", "b", "c", None, None)
    made = [decision(f"d{i}", i, True) | {"actor": actor} for i, actor in enumerate(actors)]
    with engine.begin() as connection:
        insert_rows(connection, decisions, made)
        insert_rows(connection, events, [event(f"d{i}", 10 + i) for i in (0, 2, 3, 5, 6, 7)])
        insert_rows(connection, events, [event("d3", 20, "reward"), event("d4", 20, "conversion")])
        insert_rows(connection, events, [event("d5", 20, "reward") | {"late": True}])
        connection.execute(update(events).where(events.c.event_id == "d2").values(value=0.5))
    with engine.connect() as connection:
        found = [row.event_id for row in settled(connection, 0, 9, only=of_rewarded_actors(0, 9, CLICKS, 2))]
        assert found == ["d0", "d1", "d2"]  # two rewards of one decision are one rewarded decision
        assert [row.actor for row in settled(connection, 0, 9)] == list(actors)
        assert not list(
            settled(connection, 1, 9, only=of_rewarded_actors(1, 9, CLICKS, 2))
        )  # the first is not among them
    engine.dispose()
