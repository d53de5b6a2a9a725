"""What is served is as frequent as the log says, over changes of model and catalogue, and no request fails in them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy.stats import chi2
from sqlalchemy import Engine, select
from tests.kits.other_run import other_run
from tests.kits.running_service import InProcess, RunningService
from tests.kits.waiting import PATIENCE

from genco.policies.optimizer import load
from genco.serving.governed import ControlState, governed
from genco.serving.served_model import ServedModel
from genco.serving.store import open_store
from genco.serving.tables import decisions
from genco.storage.runs import RunFolder

Group = tuple[str, int, str]


def logged(engine: Engine) -> dict[Group, list[tuple[str, float]]]:
    """Combination and propensity of what the model chose, by version of model and catalogue and product."""
    groups: dict[Group, list[tuple[str, float]]] = {}
    with engine.connect() as connection:
        for row in connection.execute(select(decisions).where(decisions.c.policy == "model")):
            key = row.model_version, row.catalogue_version, row.product_id
            groups.setdefault(key, []).append((row.combination, row.propensity))
    return groups


def chi_squared(groups: dict[Group, list[tuple[str, float]]]) -> tuple[float, int, float]:
    """Statistic, degrees of freedom and p-value of frequencies against logged propensities, added over groups.

    Cells with fewer than 5 expected are one cell of their group, with what was never served.
    """
    statistic, freedom = 0.0, 0
    for rows in groups.values():
        counts, chance = Counter(name for name, _ in rows), dict(rows)
        assert all(chance[name] == p for name, p in rows)  # one combination, one propensity
        common = [name for name, p in chance.items() if p * len(rows) >= 5]
        observed = [counts[name] for name in common]
        expected = [chance[name] * len(rows) for name in common]
        rest = len(rows) - sum(expected)
        if rest >= 5:
            observed, expected = [*observed, len(rows) - sum(observed)], [*expected, rest]
        if len(expected) > 1:
            statistic += sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
            freedom += len(expected) - 1
    return statistic, freedom, float(chi2.sf(statistic, freedom))


def check(run: Path, folder: Path, num: int) -> None:
    """`num` decisions: by the run, a rollout at 30%, another catalogue in it, the candidate alone, and undone."""
    second = other_run(run, folder / "second", 0.5)
    with InProcess(run, str(folder / "s.db"), rate_per_second=1e6, guard_every_seconds=0) as running:
        live = running.service.live
        products = [str(name) for name in running.service.model.catalogue.products["product_id"][:4]]

        def ask(number: int) -> None:
            running.decide(products[number % 4], actor_id=f"actor-{number % 997}")

        def post(path: str, **body: Any) -> None:
            assert running.client.post(path, json=body or None).status_code == 200

        version = live.register(second).version
        element = str(running.service.model.catalogue.elements["element_id"][0])
        blocked = {"statuses": [{"element_id": element, "status": "blocked"}]}
        changes = (
            lambda: None,
            lambda: post(f"/v1/models/{version}/promote", staged=True, stages=[30, 100]),
            lambda: running.client.put("/v1/catalogue", json=blocked).raise_for_status(),
            lambda: post(f"/v1/models/{version}/advance"),
            lambda: post(f"/v1/models/{version}/rollback"),
        )
        with ThreadPoolExecutor(4) as pool:
            for change in changes:
                change()
                list(pool.map(ask, range(num // 5)))
        groups = logged(running.service.engine)
    statistic, freedom, p = chi_squared(groups)
    total = sum(map(len, groups.values()))
    print(f"{total} decisions in {len(groups)} groups: chi-squared {statistic:.1f} of {freedom}, p = {p:.3f}")
    assert total == num // 5 * 5 and len({key[:2] for key in groups}) == 4 and p > 1e-6


def test_frequencies_are_propensities_over_swaps(pairs_run: RunFolder, tmp_path: Path) -> None:
    check(pairs_run.path, tmp_path, 1_500)


@pytest.mark.soak
def test_frequencies_are_propensities_over_100_000_decisions(pairs_run: RunFolder, tmp_path: Path) -> None:
    check(pairs_run.path, tmp_path, 100_000)


def swap_under_load(run: Path, folder: Path, swaps: int) -> None:
    """A server under load while models and the catalogue are swapped: no request fails, every propensity is that of the
    version logged."""
    store = str(folder / "s.db")
    paths = [run, other_run(run, folder / "second", 0.5)]
    runs = {model.policy.version: model for model in map(load, paths)}
    first, second = runs
    products = [str(name) for name in runs[first].catalogue.products["product_id"][:4]]
    element = str(runs[first].catalogue.elements["element_id"][0])
    done, statuses, undone = threading.Event(), Counter[int](), list[float]()

    def ask(url: str, headers: httpx.Headers, number: int) -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
            while not done.is_set():
                number += 1
                body = {"product_id": products[number % 4], "actor_id": f"a{number % 311}"}
                statuses[client.post("/v1/decide", json=body).status_code] += 1

    with RunningService(run, store, folder, guard_every_seconds=0) as running:
        assert running.client.post("/v1/models", json={"path": str(paths[1])}).status_code == 200
        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, running.url, running.client.headers, 1_000 * i) for i in range(4)]
            for number in range(swaps):
                staged = {"staged": True, "stages": [50, 100]}
                made = [running.client.post(f"/v1/models/{second}/promote", json=staged)]
                status = "blocked" if number % 2 == 0 else "approved"
                change = {"statuses": [{"element_id": element, "status": status}]}
                made.append(running.client.put("/v1/catalogue", json=change))
                made.append(running.client.post(f"/v1/models/{second}/promote"))
                started = time.monotonic()
                made.append(running.client.post(f"/v1/models/{second}/rollback"))
                assert running.decide(products[0])["model_version"] == first
                undone.append(time.monotonic() - started)
                assert [answer.status_code for answer in made] == [200] * 4, [answer.text for answer in made]
            done.set()
            for each in asking:
                each.result()
    engine = open_store(store)
    groups = logged(engine)
    engine.dispose()
    assert set(statuses) == {200} and sum(map(len, groups.values())) == statuses.total() + swaps
    assert max(undone) < 10
    models: dict[tuple[str, bool], ServedModel] = {}
    for (version, catalogue, product), rows in groups.items():
        blocked = catalogue % 2 == 1
        state = ControlState({element: "blocked"}) if blocked else ControlState()
        if (version, blocked) not in models:
            models[version, blocked] = ServedModel(governed(runs[version], state), catalogue)
        model = models[version, blocked]
        combinations, propensity = model.distribution(model.question(product, {}))
        chance = dict(zip(combinations, propensity, strict=True))
        found = np.array([chance[tuple(json.loads(name))] for name, _ in rows])
        assert np.allclose(found, [p for _, p in rows], rtol=1e-5, atol=0)
    told = f"{statuses.total()} decisions under {swaps * 4} changes, {len(groups)} groups, none failed"
    print(f"{told}; rolled back after {np.median(undone):.2f} s (median), {max(undone):.2f} s at most")


def test_swaps_under_load(pairs_run: RunFolder, tmp_path: Path) -> None:
    swap_under_load(pairs_run.path, tmp_path, 4)


@pytest.mark.soak
def test_many_swaps_under_load(pairs_run: RunFolder, tmp_path: Path) -> None:
    swap_under_load(pairs_run.path, tmp_path, 60)
