"""An enumerated world: probabilities sum to 1, values are those of the truth, slot weights by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kits.command_line import tiny_world

from genco.benchmarks.enumerated_world import EnumeratedWorld, enumerated_world
from genco.benchmarks.suites.ope import log_rows, slot_sums
from genco.simulator.simulate import simulate


@pytest.mark.parametrize(("name", "tilted"), [("pairs_dense", False), ("confounded", True)])
def test_world(name: str, tilted: bool) -> None:
    simulation = simulate(tiny_world(name, num_products=3), 1, 2)
    world = enumerated_world(simulation, 1.5, tilted)
    assert world.sizes == (4, 3, 3) and world.rate.shape == (3 * 6, 36)
    for shown in (world.logged, world.evaluated):
        np.testing.assert_allclose(shown.sum(axis=1), 1)
    rows = np.array([[pool[at] for pool, at in zip(simulation.candidates(1), (2, 0, 1), strict=True)]], dtype=np.int32)
    at = np.ravel_multi_index((2, 0, 1), world.sizes)
    truth = simulation.world.click_probability(np.array([1], np.int32), np.array([4], np.int32), rows)
    assert world.rate[6 + 4, at] == pytest.approx(truth[0])
    assert world.logged_value < world.value < world.rate.max(axis=1).mean()
    assert (abs(world.model - world.rate) > 1e-3).any()
    weight = world.evaluated / world.logged
    assert (world.logged * weight).sum(axis=1) == pytest.approx(1)


def test_oracle_and_slot_sums() -> None:
    world = enumerated_world(simulate(tiny_world(num_products=2), 1, 3), np.inf)
    assert world.value == pytest.approx(world.rate.max(axis=1).mean())
    adding, weight = slot_sums(world), world.slot_weights()
    assert (world.logged * weight).sum(axis=1) == pytest.approx(1)
    value = (world.evaluated * adding).sum(axis=1).mean()
    assert (world.logged * weight * adding).sum(axis=1).mean() == pytest.approx(value, rel=1e-9)
    assert (world.logged * weight * world.rate).sum(axis=1).mean() < 0.9 * world.value


def test_slot_weights_by_hand() -> None:
    logged, evaluated = np.full((1, 4), 0.25), np.array([[0.0, 0.5, 0.0, 0.5]])
    world = EnumeratedWorld((2, 2), logged, evaluated, np.zeros((1, 4)), np.zeros((1, 4)))
    assert world.slot_weights().tolist() == [[0.0, 2.0, 0.0, 2.0]]  # 1 + 0 - 1, 1 + 2 - 1


def test_logs() -> None:
    world = enumerated_world(simulate(tiny_world(num_products=2), 1, 3), 1.0)
    cells, shown, clicks = world.draw(2_000, np.random.default_rng(0))
    assert shown.sum() == 2_000 and (clicks <= shown).all() and len(np.unique(cells)) == len(cells)
    rows = log_rows(world, 2_000, np.random.default_rng(0), bootstrap=True)
    assert [row["estimator"] for row in rows] == ["IPS", "SNIPS", "DR"]
    for row in rows:
        assert row["likelihood_low"] < row["value"] < row["likelihood_high"] and not row["refused"]
    refused = log_rows(world, 100, np.random.default_rng(0), bootstrap=False)[0]
    assert refused["refused"] and refused["likelihood_low"] is None
