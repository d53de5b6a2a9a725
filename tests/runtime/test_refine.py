"""Coordinate ascent and beam search against every legal combination."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.kits.additive import random_tables
from tests.kits.small_catalogues import catalogue_of, small_catalogues

from genco.data.catalogue import Catalogue, Slot
from genco.data.rules import Distinct, Forbid, Pin
from genco.errors import ConfigError, RuleError
from genco.runtime.legal_space import LegalSpace, legal_space
from genco.runtime.refine import AdditiveTables, beam, coordinate_ascent, score

LIMIT = 10_000


def space_of(catalogue: Catalogue) -> LegalSpace:
    try:
        return legal_space(catalogue, 0)
    except RuleError:
        assume(False)
        raise


@given(small_catalogues(), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_no_legal_single_change_improves_a_fixed_point(catalogue: Catalogue, seed: int) -> None:
    space = space_of(catalogue)
    tables = random_tables(space.sizes, seed)
    start = space.sample_uniform(np.random.default_rng(seed), 7)
    before = start.copy()
    found, scores = coordinate_ascent(tables, space, start)
    np.testing.assert_array_equal(start, before)
    assert space.is_legal(found).all()
    np.testing.assert_allclose(scores, score(tables, found), atol=1e-5)
    assert (scores >= score(tables, start) - 1e-4).all()
    legal = space.enumerate(LIMIT)
    for row, combination in enumerate(found):
        near = legal[(legal != combination).sum(axis=1) <= 1]
        assert score(tables, near).max() <= scores[row] + 1e-4
        for c, d in space.exchanges:
            exchanged = space_rows(space, combination)
            exchanged[[c, d]] = exchanged[[d, c]]
            same = np.all([rows[legal[:, s]] == exchanged[s] for s, rows in enumerate(space.candidates)], axis=0)
            assert score(tables, legal[same]).max(initial=-np.inf) <= scores[row] + 1e-4


def space_rows(space: LegalSpace, combination: np.ndarray) -> np.ndarray:
    return np.array([rows[at] for rows, at in zip(space.candidates, combination, strict=True)])


def test_two_slots_exchange_their_elements_where_no_element_may_stand_in_both() -> None:
    """Two elements over two slots: (h0, h1) and (h1, h0) are all that is legal, and no single change is. A pin or a
    restriction makes the exchange illegal, and the start stays."""
    elements = [(f"h{i}", "p0", "h", "approved") for i in range(2)]
    slots = (Slot("s0", "h"), Slot("s1", "h"))
    distinct = Distinct(("s0", "s1"))
    tables = AdditiveTables(
        own=(np.array([0.0, 1.0], np.float32), np.zeros(2, np.float32)),
        factors=(np.zeros((2, 1), np.float32),) * 2,
        bilinear={(0, 1): np.zeros((1, 1), np.float32)},
    )
    sliced = replace(tables, own=(tables.own[0][:1], tables.own[1]), factors=(tables.factors[0][:1], tables.factors[1]))
    start = np.array([[0, 1], [1, 0]], np.int32)
    space = legal_space(catalogue_of(slots, elements, (distinct,)), 0)
    assert list(space.exchanges) == [(0, 1)]
    found, scores = coordinate_ascent(tables, space, start)
    assert found.tolist() == [[1, 0], [1, 0]] and scores.tolist() == [1.0, 1.0]
    pinned = legal_space(catalogue_of(slots, elements, (distinct, Pin("s0", "h0", "p0"))), 0)
    assert pinned.sizes == (1, 2)
    assert coordinate_ascent(sliced, pinned, start[:1])[0].tolist() == [[0, 1]]
    restricted = space.restricted(0, 0)
    assert coordinate_ascent(tables, restricted, start[:1])[0].tolist() == [[0, 1]]


def test_an_element_goes_to_the_other_slot_and_leaves_its_own_empty() -> None:
    slots = (Slot("s0", "h", required=False), Slot("s1", "h", required=False))
    space = legal_space(catalogue_of(slots, [("h0", "p0", "h", "approved")], (Distinct(("s0", "s1")),)), 0)
    tables = AdditiveTables(
        own=(np.array([1.0, 0.0], np.float32), np.array([2.0, 0.0], np.float32)),
        factors=(np.zeros((2, 0), np.float32),) * 2,
        bilinear={},
        pair_tables={(0, 1): np.array([[0.0, 0.0], [0.0, -9.0]], np.float32)},
    )
    assert coordinate_ascent(tables, space, np.array([[0, 1]], np.int32))[0].tolist() == [[1, 0]]


def test_slots_without_such_a_rule_exchange_nothing() -> None:
    elements = [(f"{c}{i}", "p0", c, "approved") for c in "ab" for i in range(3)]
    slots = (Slot("s0", "a"), Slot("s1", "b"), Slot("s2", "b"))
    assert not legal_space(catalogue_of(slots, elements), 0).exchanges
    ruled = (Distinct(("s0", "s1")), Forbid((("a0", "b0"),)))
    assert not legal_space(catalogue_of(slots, elements, ruled), 0).exchanges
    assert list(legal_space(catalogue_of(slots, elements, (Distinct(("s0", "s1", "s2")),)), 0).exchanges) == [(1, 2)]


def test_finds_the_best_from_many_starts() -> None:
    elements = [(f"h{i}", "p0", "h", "approved") for i in range(6)]
    slots = tuple(Slot(f"s{i}", "h") for i in range(4))
    rules = (Distinct(("s0", "s1", "s2", "s3")), Forbid((("h0", "h1"), ("h2", "h3"))))
    for catalogue in (catalogue_of(slots, elements), catalogue_of(slots, elements, rules)):
        space = legal_space(catalogue, 0)
        tables = random_tables(space.sizes, 3)
        found, scores = coordinate_ascent(tables, space, space.sample_uniform(np.random.default_rng(0), 200))
        best = score(tables, space.enumerate(LIMIT)).max()
        assert scores.max() == pytest.approx(best, abs=1e-4) and found.dtype == np.int32


def test_equal_scores_end_at_once() -> None:
    space = legal_space(catalogue_of((Slot("s0", "a"),), [(f"a{i}", "p0", "a", "approved") for i in range(3)]), 0)
    tables = random_tables((3,), 0)
    tables.own[0][:] = 1.0
    start = np.array([[2], [1]], np.int32)
    np.testing.assert_array_equal(coordinate_ascent(tables, space, start)[0], start)


@given(small_catalogues(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_wide_beam_is_exact_and_a_narrow_one_legal(catalogue: Catalogue, seed: int) -> None:
    space = space_of(catalogue)
    tables = random_tables(space.sizes, seed)
    legal = space.enumerate(LIMIT)
    best_first = np.sort(score(tables, legal))[::-1]
    found = beam(tables, space, len(legal))
    assert len(np.unique(found, axis=0)) == len(found) == len(legal)
    np.testing.assert_allclose(score(tables, found), best_first, atol=1e-4)
    narrow = beam(tables, space, 3)
    assert space.is_legal(narrow).all() and len(narrow) == min(3, len(legal))
    assert len(np.unique(narrow, axis=0)) == len(narrow)
    np.testing.assert_array_equal(narrow, beam(tables, space, 3))


def test_a_beam_keeps_at_least_one() -> None:
    space = legal_space(catalogue_of((Slot("s0", "a"),), [("a0", "p0", "a", "approved")]), 0)
    assert beam(random_tables((1,), 0), space, 5).tolist() == [[0]]
    with pytest.raises(ConfigError, match="Found `width = 0`"):
        beam(random_tables((1,), 0), space, 0)
