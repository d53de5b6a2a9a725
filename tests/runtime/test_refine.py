"""Coordinate ascent and beam search against every legal combination."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.kits.additive import random_tables
from tests.kits.small_catalogues import catalogue_of, small_catalogues

from genco.data.catalogue import Catalogue, Slot
from genco.data.rules import Distinct, Forbid
from genco.errors import ConfigError, RuleError
from genco.runtime.legal_space import LegalSpace, legal_space
from genco.runtime.refine import beam, coordinate_ascent, score

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
