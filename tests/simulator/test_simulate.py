"""Logs: reproducible, chunked, as the scenario says."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from genco.errors import ConfigError
from genco.simulator import simulate as module
from genco.simulator.scenarios import SCENARIOS, Scenario
from genco.simulator.simulate import CHUNK_ROWS, LOG_MICROSECONDS, Simulation, simulate


def rows_of(ids: pl.Series) -> np.ndarray:
    """Row numbers of ids such as e0000012; -1 for null."""
    return ids.str.slice(1).cast(pl.Int32).fill_null(-1).to_numpy()


def combination_of(simulation: Simulation, log: pl.DataFrame) -> np.ndarray:
    return np.stack([rows_of(log[slot.name]) for slot in simulation.slots], axis=1)


def log_of(simulation: Simulation) -> pl.DataFrame:
    return pl.concat(list(simulation.impressions()))


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_same_seed_same_frames_other_seed_others(name: str) -> None:
    first, again, other = (simulate(name, 2_000, seed) for seed in (3, 3, 4))
    assert first.products.equals(again.products)
    assert first.elements.equals(again.elements)
    assert log_of(first).equals(log_of(again))
    assert log_of(first).equals(log_of(first))
    assert first.rules == again.rules
    for array, twin in zip(first.truth_arrays.values(), again.truth_arrays.values(), strict=True):
        np.testing.assert_array_equal(array, twin)
    assert not log_of(first).equals(log_of(other))
    assert not np.array_equal(first.world.style, other.world.style)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_columns_and_legality(name: str) -> None:
    simulation = simulate(name, 5_000, seed=1)
    log = log_of(simulation)
    slots = [slot.name for slot in simulation.slots]
    assert log.columns == [
        *("impression_id", "timestamp", "product_id", "segment"),
        *slots,
        *("num_impressions", "num_clicks", "propensity", "policy"),
    ]
    assert log["impression_id"].n_unique() == 5_000
    moments = log["timestamp"].cast(pl.Int64).to_numpy()
    assert (np.diff(moments) > 0).all()
    assert moments[-1] - moments[0] < LOG_MICROSECONDS
    product, shown = rows_of(log["product_id"]), combination_of(simulation, log)
    assert simulation.is_legal(product, shown).all()
    np.testing.assert_allclose(simulation.policy.propensity(product, shown), log["propensity"], rtol=1e-12)
    assert set(log["segment"].unique()) <= set(simulation.world.context_values)
    assert log["num_clicks"].is_in([0, 1]).all()


def test_clicks_follow_the_true_probability() -> None:
    simulation = simulate("pairs_dense", 200_000, seed=2)
    log = log_of(simulation)
    segment = log["segment"].str.slice(1).cast(pl.Int32).to_numpy()
    true = simulation.world.click_probability(rows_of(log["product_id"]), segment, combination_of(simulation, log))
    clicks = log["num_clicks"].to_numpy()
    for low, high in ((0.0, 0.02), (0.02, 0.1), (0.1, 1.0)):
        part = (true >= low) & (true < high)
        spread = np.sqrt((true * (1 - true))[part].sum())
        assert abs(clicks[part].sum() - true[part].sum()) < 4 * spread


def test_cold_products_and_elements_are_never_logged() -> None:
    simulation = simulate("cold", 300_000, seed=1)
    log, world = log_of(simulation), simulation.world
    assert world.never_logged_products.sum() == 400
    owner_logged = np.repeat(~world.never_logged_products, 33)
    assert world.never_logged_elements[owner_logged].mean() == pytest.approx(0.2, abs=1e-4)
    assert world.never_logged_elements[~owner_logged].all()
    assert not world.never_logged_products[rows_of(log["product_id"])].any()
    shown = combination_of(simulation, log)
    assert not world.never_logged_elements[shown].any()
    for product in np.flatnonzero(~world.never_logged_products):
        for pool in simulation.candidates(int(product)):
            assert (~world.never_logged_elements[pool]).any()
    logged = np.zeros(world.num_elements, dtype=bool)
    logged[shown.ravel()] = True
    assert logged.sum() > 0.95 * (~world.never_logged_elements).sum()
    assert (simulation.elements["status"] == "approved").all()


def test_confounded_elements_of_appealing_products_look_better() -> None:
    world = simulate("confounded", 10, seed=1).world
    direction = world.component_taste / np.linalg.norm(world.component_taste, axis=1, keepdims=True)
    along = (world.style * direction[world.element_component]).sum(axis=1).reshape(2000, 33).mean(axis=1)
    standard = (world.appeal + 3.5) / 0.7
    slope = np.polyfit(standard, along, 1)[0]
    assert slope == pytest.approx(0.5, abs=0.02)


def test_chunks_hold_at_most_the_stated_rows_and_join_seamlessly(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [chunk.height for chunk in simulate("pairs_dense", CHUNK_ROWS + 10, seed=0).impressions()]
    assert sizes == [CHUNK_ROWS, 10]
    monkeypatch.setattr(module, "CHUNK_ROWS", 1_000)
    log = log_of(simulate("pairs_dense", 3_500, seed=0))
    assert log["impression_id"].to_list() == [f"i{i:09d}" for i in range(3_500)]
    assert log["timestamp"].is_sorted()


def test_memory_does_not_grow_with_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 4_096)

    def peak(num_impressions: int) -> int:
        simulation = simulate("pairs_dense", num_impressions, seed=0)
        tracemalloc.start()
        for _ in simulation.impressions():
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(160_000) < 1.5 * peak(16_000)


def test_drift_log_is_the_beginning_of_a_million_requests() -> None:
    simulation = simulate("drift", None, seed=0)
    log = log_of(simulation)
    assert log.height == 10_000
    moments = log["timestamp"].cast(pl.Int64).to_numpy()
    assert moments[-1] - moments[0] == pytest.approx(LOG_MICROSECONDS / 100, rel=1e-3)
    turned = simulate("drift", 260_000, seed=0)
    *_, last = turned.impressions()
    assert last.height == 260_000 % CHUNK_ROWS


def test_scaled_scenarios_of_one_slot() -> None:
    one: Scenario = replace(SCENARIOS["pairs_dense"], num_products=2, components=SCENARIOS["wide"].components[:1])
    log = log_of(simulate(one, 50, seed=0))
    assert log["propensity"].to_list() == pytest.approx([1e-3] * 50)


def test_errors_name_parameter_and_value() -> None:
    with pytest.raises(ConfigError, match=r"`num_impressions` must be at least 1. Found 0"):
        simulate("pairs_dense", 0)
    with pytest.raises(ConfigError, match=r"`seed` must not be negative. Found -1"):
        simulate("pairs_dense", 10, seed=-1)
    with pytest.raises(ConfigError, match=r"must be one of pairs_dense, .*Found 'pairs'"):
        simulate("pairs", 10)


def test_golden_tiny_world() -> None:
    """A refactor must draw the same world and the same log."""
    tiny = replace(SCENARIOS["higher_order"], num_products=2)
    simulation = simulate(tiny, 5, seed=7)
    world, log = simulation.world, log_of(simulation)
    logits = world.logit(np.array([0, 1], np.int32), np.array([0, 5], np.int32), combination_of(simulation, log)[:2])
    assert log["product_id"].to_list() == GOLDEN["products"]
    assert log["title"].to_list() == GOLDEN["titles"]
    assert world.appeal.tolist() == pytest.approx(GOLDEN["appeal"], abs=1e-4)
    assert world.style[0, :3].tolist() == pytest.approx(GOLDEN["style"], abs=1e-4)
    assert world.idio[:2].tolist() == pytest.approx(GOLDEN["idio"], abs=1e-4)
    content = [simulation.elements["x0"][0], simulation.elements["x15"][65]]
    assert content == pytest.approx(GOLDEN["content"], abs=1e-4)
    assert logits.tolist() == pytest.approx(GOLDEN["logits"], abs=1e-4)


GOLDEN: dict[str, list[Any]] = {
    "products": ["p00000", "p00001", "p00000", "p00000", "p00001"],
    "titles": ["e0000007", "e0000040", "e0000002", "e0000007", "e0000041"],
    "appeal": [-3.36699, -3.44087],
    "style": [-1.00557, -0.14889, 0.17422],
    "idio": [-1.7112, -1.6446],
    "content": [-0.68452, -1.3518],
    "logits": [-3.51701, -3.57424],
}
