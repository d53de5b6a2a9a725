"""Scores of additive tables, by hand and against the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kits.additive import random_tables

from genco.errors import ConfigError
from genco.runtime.additive_tables import AdditiveTables, enumerate_scores, pair_matrix, score

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def floats(*values: object) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_by_hand() -> None:
    tables = AdditiveTables(
        own=(floats(1, 2), floats(0, 10, 20)),
        factors=(floats([1], [2]), floats([1, 0], [0, 1], [1, 1])),
        bilinear={(0, 1): floats([3, 5])},
        pair_tables={(0, 1): floats([0, 0, 0], [0, 0, 100])},
    )
    # candidate 1 of slot 0 with candidate 2 of slot 1: own 2 + 20, factors 2 * (3 + 5), table 100
    assert score(tables, np.array([[1, 2], [0, 1]], np.int32)).tolist() == [138.0, 16.0]
    assert pair_matrix(tables, 0, 1).tolist() == [[3, 5, 8], [6, 10, 116]]


@given(SIZES, st.integers(0, 99), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_score_and_enumeration_agree_with_the_sum_of_parts(sizes: tuple[int, ...], seed: int, rank: int) -> None:
    tables = random_tables(sizes, seed, rank)
    grid = np.indices(sizes).reshape(len(sizes), -1).T.astype(np.int32)
    expected = sum(own[grid[:, slot]].astype(float) for slot, own in enumerate(tables.own))
    for c, d in tables.pairs:
        expected = expected + pair_matrix(tables, c, d)[grid[:, c], grid[:, d]]
    np.testing.assert_allclose(score(tables, grid), expected, atol=1e-4)
    np.testing.assert_allclose(tables.total(grid, tables.chosen_factors(grid)), expected, atol=1e-4)
    np.testing.assert_allclose(enumerate_scores(tables).ravel(), expected, atol=1e-4)


@given(SIZES, st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_slot_scores_are_scores_of_single_changes(sizes: tuple[int, ...], seed: int) -> None:
    tables = random_tables(sizes, seed)
    positions = np.random.default_rng(seed).integers(sizes, size=(5, len(sizes))).astype(np.int32)
    for slot, size in enumerate(sizes):
        values = tables.slot_scores(positions, tables.chosen_factors(positions), slot)
        for choice in range(size):
            changed = positions.copy()
            changed[:, slot] = choice
            gain = score(tables, changed) - score(tables, positions)
            np.testing.assert_allclose(values[:, choice] - values[np.arange(5), positions[:, slot]], gain, atol=1e-4)


def test_pairs_without_a_term_are_zero_and_the_order_of_slots_matters() -> None:
    tables = random_tables((2, 2, 2), 0)
    assert pair_matrix(AdditiveTables(tables.own, tables.factors, {}), 0, 2).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ConfigError, match=r"Found `slot = 1`, `later = 0`"):
        pair_matrix(tables, 1, 0)
