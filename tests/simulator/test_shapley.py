"""Shapley values against the average over all orders of arrival, computed the slow way."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from genco.simulator.draw import slot_pools
from genco.simulator.scenarios import SCENARIOS
from genco.simulator.shapley import coalition_shapley, game
from genco.simulator.simulate import simulate
from genco.simulator.world import World

POOL_SIZES = (3, 2, 4, 2)


def slow_shapley(world: World, combination: np.ndarray, pools: list[np.ndarray], content: bool) -> np.ndarray:
    """Average marginal contribution over all orders; absent slots averaged over their pools."""

    def worth(members: tuple[int, ...]) -> float:
        choices = [[combination[c]] if c in members else list(pools[c]) for c in range(len(pools))]
        shown = np.array(list(product(*choices)), dtype=np.int32)
        rows = np.full(len(shown), 5, dtype=np.int32), np.full(len(shown), 1, dtype=np.int32)
        return float((world.content_logit if content else world.logit)(*rows, shown).mean())

    values = np.zeros(len(pools))
    orders = list(permutations(range(len(pools))))
    for order in orders:
        for i, slot in enumerate(order):
            values[slot] += worth(order[: i + 1]) - worth(order[:i])
    return values / len(orders)


@pytest.mark.parametrize("name", ["pairs_dense", "higher_order"])
@pytest.mark.parametrize("content", [False, True])
def test_equals_the_slow_way(name: str, content: bool) -> None:
    world = simulate(name, 10, seed=2).world
    pools = [rows[:size] for rows, size in zip(slot_pools(SCENARIOS[name], 5), POOL_SIZES, strict=True)]
    combination = np.array([pool[-1] for pool in pools], dtype=np.int32)
    values = world.shapley(5, 1, combination, pools, content)
    np.testing.assert_allclose(values, slow_shapley(world, combination, pools, content), atol=2e-6)


@pytest.mark.parametrize("name", ["pairs_dense", "higher_order"])
def test_empty_or_foreign_element_need_not_be_in_the_pool(name: str) -> None:
    world = simulate(name, 10, seed=2).world
    pools = [rows[:size] for rows, size in zip(slot_pools(SCENARIOS[name], 5), POOL_SIZES, strict=True)]
    combination = np.array([pools[0][0], slot_pools(SCENARIOS[name], 5)[1][9], pools[2][0], -1], dtype=np.int32)
    values = world.shapley(5, 1, combination, pools)
    np.testing.assert_allclose(values, slow_shapley(world, combination, pools, False), atol=2e-6)


@pytest.mark.parametrize("name", ["pairs_sparse", "higher_order"])
def test_values_add_up_to_the_uplift_and_average_to_zero(name: str) -> None:
    world = simulate(name, 10, seed=4).world
    pools = slot_pools(SCENARIOS[name], 11)
    rng = np.random.default_rng(0)
    shown = np.stack([rng.choice(pool, 50) for pool in pools], axis=1)
    values = world.shapley(11, 0, shown, pools)
    assert values.shape == (50, 4)
    everything = world.enumerate_logits(11, 0, pools)
    logits = world.logit(np.full(50, 11, np.int32), np.zeros(50, np.int32), shown)
    np.testing.assert_allclose(values.sum(axis=1), logits - everything.mean(), atol=5e-6)
    np.testing.assert_allclose(world.shapley(11, 0, shown[3], pools), values[3], atol=1e-12)
    grid = np.stack(np.meshgrid(*pools, indexing="ij"), axis=-1).reshape(-1, 4)
    assert abs(world.shapley(11, 0, grid, pools).mean(axis=0)).max() < 1e-6


def test_sampled_values_of_a_wide_space_add_up_and_repeat() -> None:
    world = simulate("wide", 10, seed=0).world
    pools = slot_pools(SCENARIOS["wide"], 3)
    shown = np.array([[pool[i] for pool in pools] for i in (1, 2)], dtype=np.int32)
    values = world.shapley(3, 1, shown, pools)
    np.testing.assert_array_equal(values, world.shapley(3, 1, shown, pools))
    rows = np.full(2, 3, np.int32), np.full(2, 1, np.int32)
    difference = values.sum(axis=1) - world.logit(*rows, shown)
    assert difference[0] == pytest.approx(difference[1], abs=1e-6)


def test_glove_game_by_hand() -> None:
    # One left glove (slot 0), two right gloves (slots 1, 2); a pair is worth 1. Known answer: 2/3, 1/6, 1/6.
    coalitions = [frozenset(c for c in range(3) if mask >> c & 1) for mask in range(8)]
    worth = {c: np.array([float(0 in c and bool(c & {1, 2}))]) for c in coalitions}
    np.testing.assert_allclose(coalition_shapley(worth), [[2 / 3, 1 / 6, 1 / 6]])


def test_one_slot_takes_everything() -> None:
    np.testing.assert_allclose(coalition_shapley({frozenset(): np.zeros(1), frozenset({0}): np.array([3.0])}), [[3.0]])


def test_game_finds_shown_elements() -> None:
    played = game(np.array([[4, -1], [2, 7]], dtype=np.int32), [np.array([2, 4, 6]), np.array([7, 8])])
    assert [rows.tolist() for rows in played.rows] == [[2, 4, 6], [7, 8, -1]]
    assert played.positions.tolist() == [[1, 2], [0, 0]]
    assert played.pool_sizes == (3, 2)
