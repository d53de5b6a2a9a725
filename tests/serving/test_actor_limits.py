"""Decisions of one actor that are learned: by hand, against a count by brute force, and through the learner."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select, text
from tests.kits.running_service import InProcess
from tests.kits.service_rows import decision, event

from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.serving.actor_limits import ActorLimits
from genco.serving.alarms import open_alarms
from genco.serving.bulk_insert import insert_rows
from genco.serving.export import export_log
from genco.serving.joiner import settled
from genco.serving.learner import Learner
from genco.serving.store import open_store
from genco.serving.tables import decisions, events
from genco.storage.runs import RunFolder


def row(number: int, at: int, actor: str | None, product: str = "p1") -> dict[str, Any]:
    return decision(f"d{number:04}", at, True) | {"actor": actor, "product_id": product}


def kept(engine: Engine, limits: ActorLimits, start: int = 0, stop: int = 10**9) -> list[int]:
    """Numbers of the decisions that count."""
    with engine.connect() as connection:
        return [int(found.event_id[1:]) for found in settled(connection, start, stop, limits=limits) if found.counts]


def by_brute_force(rows: list[dict[str, Any]], limits: ActorLimits) -> list[int]:
    found = []
    for number, mine in enumerate(rows):
        before = [
            other["product_id"]
            for other in rows
            if mine["actor"] is not None
            and other["actor"] == mine["actor"]
            and mine["decided_at"] - limits.window_us < other["decided_at"] < mine["decided_at"]
        ]
        beyond = limits.most and len(before) >= limits.most
        beyond = beyond or (limits.per_product and before.count(mine["product_id"]) >= limits.per_product)
        found += [] if beyond else [number]
    return found


def test_a_decision_counts_while_few_came_in_the_window_before_it(store_url: str) -> None:
    engine = open_store(store_url)
    rows = [row(i, at, "a") for i, at in enumerate((0, 1, 2, 3, 101, 102))]  # in each window before: 0 1 2 3 2 2
    rows += [row(6, 4, "b"), row(7, 5, "a", "p2"), row(8, 6, None), row(9, 7, None), row(10, 8, None)]
    rng = np.random.default_rng(0)
    for i in range(300):
        actor = None if rng.random() < 0.1 else f"actor-{rng.integers(4)}"
        rows.append(row(len(rows), 1_000 + 3 * i, actor, f"p{rng.integers(3)}"))
    with engine.begin() as connection:
        insert_rows(connection, decisions, rows)
    first = kept(engine, ActorLimits(0, 2, 100), stop=1_000)
    assert sorted(first) == [0, 1, 6, 7, 8, 9, 10]
    assert sorted(kept(engine, ActorLimits(0, 2, 99), stop=1_000)) == [0, 1, 4, 5, 6, 7, 8, 9, 10]
    for limits in (ActorLimits(0, 2, 100), ActorLimits(5, 0, 200), ActorLimits(6, 2, 150), ActorLimits(0, 0, 100)):
        assert sorted(kept(engine, limits)) == by_brute_force(rows, limits)
        parts = kept(engine, limits, 0, 1_200) + kept(engine, limits, 1_200, 10**9)
        assert parts == kept(engine, limits)  # wherever a round of learning begins
    engine.dispose()


def test_rows_of_an_actor_are_found_by_an_index(store_url: str) -> None:
    engine = open_store(store_url)
    query = str(select(ActorLimits(100, 5, 10).counts()).compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.begin() as connection:
        insert_rows(connection, decisions, [row(i, i, f"actor-{i % 500}") for i in range(5_000)])
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
        plan = "\n".join(str(line) for line in connection.execute(text(explain + query)))
    assert plan.count("decisions_actor") == 2, plan
    engine.dispose()


@pytest.mark.parametrize("restart", [False, True])
def test_rounds_learn_what_counts_and_pass_over_the_rest(pairs_run: RunFolder, tmp_path: Path, restart: bool) -> None:
    run, store = shutil.copytree(pairs_run.path, tmp_path / "run"), str(tmp_path / "s.db")
    limits = {"decisions_per_actor": 4, "decisions_per_actor_and_product": 3}

    def play(running: InProcess, learner: Learner) -> None:
        products = [str(name) for name in running.service.model.catalogue.products["product_id"][:2]]
        for actor in ("script", "script", "reader", None):
            for product in products:
                fields = {} if actor is None else {"actor_id": actor}
                for _ in range(2):
                    running.decide(product, defer_activation=False, **fields)
        running.travel(603)
        assert learner.round() == 16

    with InProcess(run, store, **limits) as running:
        learner = Learner(running.service)
        play(running, learner)
        if not restart:
            play(running, learner)
    if restart:
        with InProcess(run, store, **limits) as running:
            running.travel(603)  # to where the clock was
            learner = Learner(running.service)
            play(running, learner)
    # the script's first four, the reader's four, and all four of nobody; an instant later nobody's alone
    assert learner._states["control"].num_rows == 12 + 4
    left_out = running.service.metrics.left_out._value.get()
    assert left_out == (12 if restart else 4 + 12)


def test_one_actor_id_for_everybody_raises_one_alarm(pairs_run: RunFolder, tmp_path: Path) -> None:
    run = shutil.copytree(pairs_run.path, tmp_path / "run")
    with InProcess(run, str(tmp_path / "s.db")) as running:
        learner, service = Learner(running.service), running.service
        product = str(service.model.catalogue.products["product_id"][0])
        for _ in range(2):
            for _ in range(100):
                running.decide(product, defer_activation=False, actor_id="everybody")
            running.travel(603)
            assert learner.round() == 100
        with service.engine.connect() as connection:
            (alarm,) = open_alarms(connection)
        assert (alarm.name, alarm.detail) == ("actors_left_out", {"decisions": 100, "left_out": 95})
        done = export_log(service.engine, tmp_path / "data", service.clock.now(), limits=service.limits)
        assert (done.rows, done.left_out) == (5, 195)
        assert export_log(service.engine, tmp_path / "all", service.clock.now()).rows == 200


def heavy_tailed_log(
    optimizer: Optimizer, truth: Truth, tail: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """6,000 decisions on 40 products and their clicks by 1,500 actors. Each acts within an hour of ten; a few make most
    (Pareto, exponent `tail`), and some click more readily (standard deviation 1 of the logit)."""
    rng, catalogue = np.random.default_rng(seed), optimizer.catalogue
    size, ids, activity = 6_000, catalogue.elements["element_id"], rng.pareto(tail, 1_500) + 0.1
    actor = rng.choice(len(activity), size=size, p=activity / activity.sum())
    product, context = np.arange(size, dtype=np.int32) % 40, rng.integers(len(truth.context_values), size=size)
    chosen = np.array(
        [[rng.choice(catalogue.pool(int(p), slot)) for slot in range(3)] for p in product], dtype=np.int32
    )
    logit = truth.logit(product, context.astype(np.int32), chosen) + rng.normal(0, 1, len(activity))[actor]
    clicked = rng.random(size) < 1 / (1 + np.exp(-logit))
    at = rng.integers(36_000_000_000, size=len(activity))[actor] + rng.integers(3_600_000_000, size=size)
    made = [
        row(i, int(at[i]), f"actor-{actor[i]}", str(catalogue.products["product_id"][int(product[i])]))
        | {"combination": json.dumps([str(ids[int(element)]) for element in chosen[i]])}
        | {"context": json.dumps({"segment": truth.context_values[context[i]]})}
        for i in range(size)
    ]
    return made, [event(f"d{i:04}", int(at[i]) + 1) for i in np.flatnonzero(clicked)]


def learned_uplift(
    run: Path, folder: Path, made: list[dict[str, Any]], clicks: list[dict[str, Any]], **config: Any
) -> tuple[np.ndarray, float]:
    """Uplift [combination] of every combination of the products once the log is learned, and the share of it that
    was left out."""
    folder.mkdir()
    with InProcess(Path(shutil.copytree(run, folder / "run")), str(folder / "s.db"), **config) as running:
        start = running.service.clock.now() + 1
        with running.service.engine.begin() as connection:
            insert_rows(connection, decisions, [line | {"decided_at": line["decided_at"] + start} for line in made])
            insert_rows(connection, events, [line | {"received_at": line["received_at"] + start} for line in clicks])
        running.travel(40_000)
        Learner(running.service).round()
        optimizer = running.service.model.optimizer
        left_out = running.service.metrics.left_out._value.get() / len(made)
    found = []
    for product in range(40):
        pools = [optimizer.catalogue.pool(product, slot) for slot in range(3)]
        combinations = np.array(list(itertools.product(*pools)), dtype=np.int32)
        rows = np.full(len(combinations), product)
        context = np.zeros((len(combinations), optimizer.encoders.context.dim), dtype=np.float32)
        found.append(optimizer.policy.bound.uplift(rows, combinations, context))
    return np.concatenate(found), left_out


@pytest.mark.soak
def test_what_the_limits_cost_honest_traffic(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, pairs_truth: Truth, tmp_path: Path
) -> None:
    """The model with the default limits against the one that learns everything, and against leaving out as many rows
    drawn at random."""
    everything = {"decisions_per_actor": 0, "decisions_per_actor_and_product": 0}
    run, logs = pairs_run.path, dict[float, list[np.ndarray]]()
    for tail, seed in itertools.product((3.0, 2.0, 1.2), range(3)):
        made, clicks = heavy_tailed_log(pairs_optimizer, pairs_truth, tail, seed)
        folder = tmp_path / f"{tail}-{seed}"
        folder.mkdir()
        full, _ = learned_uplift(run, folder / "full", made, clicks, **everything)
        limited, left_out = learned_uplift(run, folder / "limited", made, clicks)
        gone = np.random.default_rng(seed).random(len(made)) < left_out
        fewer = [line for line, out in zip(made, gone, strict=True) if not out]
        at_random, _ = learned_uplift(run, folder / "random", fewer, clicks, **everything)
        far, near = (float(np.sqrt(np.mean((other - full) ** 2))) for other in (limited, at_random))
        busiest = max(Counter(line["actor"] for line in made).values())
        print(f"tail {tail} seed {seed}: busiest {busiest}, left out {left_out:.2%}", end=", ")
        print(f"moved {far:.4f}, at random {near:.4f} of a spread of {full.std():.3f}")
        assert far < 0.2 * full.std()
        logs.setdefault(tail, []).append(full)
    for tail, found in logs.items():
        print(f"tail {tail}: logs of two seeds differ by {np.sqrt(2 * np.stack(found).var(axis=0, ddof=1).mean()):.4f}")
