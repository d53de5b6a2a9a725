"""Purification changes no score, and makes the attribution the Shapley value."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kits.additive import random_tables

from genco.runtime.additive_tables import AdditiveTables, enumerate_scores, pair_matrix
from genco.runtime.purification import attribution, purify

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def shapley_the_slow_way(scores: np.ndarray, combination: tuple[int, ...]) -> np.ndarray:
    """Shapley values of the game in which absent slots are averaged over all their candidates alike."""
    num = scores.ndim

    def worth(present: tuple[int, ...]) -> float:
        return float(scores[tuple(combination[c] if c in present else slice(None) for c in range(num))].mean())

    values = np.zeros(num)
    for slot in range(num):
        others = [c for c in range(num) if c != slot]
        for size in range(num):
            weight = factorial(size) * factorial(num - size - 1) / factorial(num)
            for present in combinations(others, size):
                values[slot] += weight * (worth((*present, slot)) - worth(present))
    return values


def test_by_hand() -> None:
    """x = 0..1, y = 0..1, score 4 x y: average 1, own 2 (x - 1/2), pair 4 (x - 1/2)(y - 1/2)."""
    line = np.array([[0], [1]], np.float32)
    nothing = np.zeros(2, np.float32)
    pure, constant = purify(AdditiveTables((nothing, nothing), (line, line), {(0, 1): np.array([[4]], np.float32)}))
    assert constant == 1.0
    assert [own.tolist() for own in pure.own] == [[-1, 1], [-1, 1]]
    assert pair_matrix(pure, 0, 1).tolist() == [[1, -1], [-1, 1]]


@given(SIZES, st.integers(0, 99), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_scores_stay_and_means_vanish(sizes: tuple[int, ...], seed: int, rank: int) -> None:
    tables = random_tables(sizes, seed, rank)
    pure, constant = purify(tables)
    np.testing.assert_allclose(enumerate_scores(pure) + constant, enumerate_scores(tables), atol=1e-4)
    assert constant == pytest.approx(float(enumerate_scores(tables).mean()), abs=1e-4)
    for own in pure.own:
        assert own.mean() == pytest.approx(0.0, abs=1e-5)
    for pair in pure.pairs:
        for axis in (0, 1):
            np.testing.assert_allclose(pair_matrix(pure, *pair).mean(axis=axis), 0.0, atol=1e-5)
    again, nothing = purify(pure)
    assert nothing == pytest.approx(0.0, abs=1e-5)
    np.testing.assert_allclose(enumerate_scores(again), enumerate_scores(pure), atol=1e-4)


@given(SIZES, st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_attribution_is_the_shapley_value(sizes: tuple[int, ...], seed: int) -> None:
    tables = random_tables(sizes, seed)
    positions = np.random.default_rng(seed).integers(sizes, size=(3, len(sizes))).astype(np.int32)
    own, interaction = attribution(tables, positions)
    scores = enumerate_scores(tables).astype(np.float64)
    for row, combination in enumerate(positions.tolist()):
        expected = shapley_the_slow_way(scores, tuple(combination))
        np.testing.assert_allclose(own[row] + interaction[row], expected, atol=1e-4)
        assert (own + interaction)[row].sum() == pytest.approx(scores[tuple(combination)] - scores.mean(), abs=1e-4)


def test_raw_and_pure_tables_are_attributed_alike() -> None:
    tables = random_tables((3, 4, 2), 7)
    positions = np.array([[0, 3, 1], [2, 1, 0]], np.int32)
    for raw, pure in zip(attribution(tables, positions), attribution(purify(tables)[0], positions), strict=True):
        np.testing.assert_allclose(raw, pure, atol=1e-5)
