"""Coordinate ascent: fixed points no single change improves, and the best of small spaces."""

from __future__ import annotations

import numpy as np
import pytest

from genco.simulator.ascent import best_by_ascent, climb
from genco.simulator.draw import slot_pools
from genco.simulator.scenarios import SCENARIOS
from genco.simulator.simulate import simulate


@pytest.mark.parametrize("name", ["pairs_sparse", "higher_order"])
def test_finds_the_exhaustive_best_of_small_spaces(name: str) -> None:
    world = simulate(name, 10, seed=1).world
    for product in range(10):
        pools = slot_pools(SCENARIOS[name], product)
        combination, logit = world.best_by_ascent(product, 1, pools, starts=200)
        assert logit == pytest.approx(world.enumerate_logits(product, 1, pools).max(), abs=1e-5)
        shown = world.logit(np.array([product], np.int32), np.array([1], np.int32), combination[None])
        assert shown[0] == pytest.approx(logit, abs=1e-5)


def test_no_single_change_improves_a_fixed_point() -> None:
    world = simulate("higher_order", 10, seed=1).world
    tables = world.slot_tables(3, 0, slot_pools(SCENARIOS["higher_order"], 3))
    logits = tables.enumerate_logits()
    start = np.random.default_rng(0).integers(5, size=(20, 4)).astype(np.int32)
    for point in climb(tables, start):
        for slot in range(4):
            line = logits[tuple(slice(None) if c == slot else point[c] for c in range(4))]
            assert line[point[slot]] >= line.max() - 1e-6


def test_wide_beats_random_by_far_and_repeats() -> None:
    world = simulate("wide", 10, seed=1).world
    pools = slot_pools(SCENARIOS["wide"], 0)
    tables = world.slot_tables(0, 0, pools)
    positions, logit = best_by_ascent(tables, starts=200)
    rng = np.random.default_rng(0)
    drawn = tables.score(rng.integers(1_000, size=(20_000, 5)).astype(np.int32))
    assert logit > drawn.max() + 0.5
    again = best_by_ascent(tables, starts=200)
    np.testing.assert_array_equal(positions, again[0])
    assert logit == again[1]
    content = world.best_by_ascent(0, 0, pools, starts=50, content=True)[0]
    assert world.logit(np.zeros(1, np.int32), np.zeros(1, np.int32), content[None])[0] < logit
