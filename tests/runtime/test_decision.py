"""The decision: exact propensities by sum and by frequency, shares that are kept, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.kits.additive import random_tables
from tests.kits.masked_policy import MaskedSoftmax
from tests.kits.small_catalogues import catalogue_of, small_catalogues

from genco.data.catalogue import Catalogue, Slot
from genco.data.rules import Distinct, Forbid
from genco.errors import ConfigError, DataError, RuleError
from genco.runtime.decision import Decision, DecisionConfig, candidate_set, minimum_share_parts, winners
from genco.runtime.legal_space import LegalSpace, legal_space
from genco.runtime.refine import beam, coordinate_ascent, score

LIMIT = 10_000


def a_catalogue() -> Catalogue:
    """One title slot, two distinct highlights, an optional tag, and forbidden pairs: 60 legal combinations or so."""
    elements = [(f"{c}{i}", "p0", c, "approved") for c, num in (("t", 3), ("h", 4), ("g", 2)) for i in range(num)]
    slots = (Slot("title", "t"), Slot("h_1", "h"), Slot("h_2", "h"), Slot("tag", "g", required=False))
    rules = (Distinct(("h_1", "h_2")), Forbid((("t0", "h0"), ("t0", "h1"), ("h2", "g1")), "p0"))
    return catalogue_of(slots, elements, rules)


def a_decision(catalogue: Catalogue, space: LegalSpace, config: DecisionConfig, seed: int = 0) -> Decision:
    tables = random_tables(space.sizes, seed)
    candidates = candidate_set(tables, lambda: tables, space, np.random.default_rng(0))
    noise = np.random.default_rng(seed).normal(0, 1.0, (config.num_draws, len(candidates)))
    parts = minimum_share_parts(config, space, catalogue.element_rows)
    pinned = [(share, MaskedSoftmax(part, seed)) for share, part in parts]
    won = winners(candidates, score(tables, candidates) + noise)
    return Decision(config, won, MaskedSoftmax(space, seed), space, pinned)


def shown_with(space: LegalSpace, positions: np.ndarray, row: int) -> np.ndarray:
    rows = np.column_stack([space.candidates[c][positions[:, c]] for c in range(space.num_slots)])
    return (rows == row).any(axis=1)


@given(small_catalogues(), st.integers(0, 99), st.floats(0.01, 1.0), st.floats(0.0, 0.2))
@settings(max_examples=60, deadline=None)
def test_propensities_sum_to_one_and_are_positive_where_legal(
    catalogue: Catalogue, seed: int, epsilon: float, share: float
) -> None:
    try:
        space = legal_space(catalogue, 0)
    except RuleError:
        assume(False)
    ids = catalogue.elements["element_id"].to_list()[:2]
    shares = {element: min(share, (1 - epsilon) / 2) for element in ids}
    decision = a_decision(catalogue, space, DecisionConfig(epsilon, 16, minimum_share=shares), seed)
    everything = np.indices(space.sizes).reshape(space.num_slots, -1).T.astype(np.int32)
    propensity = decision.propensity(everything)
    legal = space.is_legal(everything)
    assert propensity.sum() == pytest.approx(1.0)
    assert (propensity[legal] >= epsilon / 2 * np.exp(space.uniform_log_prob(everything[legal])) - 1e-12).all()
    assert (propensity[~legal] == 0).all()
    for element in ids:
        can = shown_with(space, everything[legal], catalogue.element_rows[element])
        if can.any():
            assert propensity[legal][can].sum() >= shares[element] - 1e-9


def test_by_hand() -> None:
    """Two candidates in one slot; 3 of 4 draws go to the second; policy and uniform give 1/2 each."""
    catalogue = catalogue_of((Slot("s0", "a"),), [("a0", "p0", "a", "approved"), ("a1", "p0", "a", "approved")])
    space = legal_space(catalogue, 0)
    policy = MaskedSoftmax(space, 0)
    policy._logits[0][:] = 0.0
    drawn = np.array([[1.0, 0.0], [0, 1], [0, 2], [-1, 0]])
    decision = Decision(DecisionConfig(epsilon=0.2), winners(np.array([[0], [1]], np.int32), drawn), policy, space)
    np.testing.assert_allclose(decision.propensity(np.array([[0], [1], [2]], np.int32)), [0.3, 0.7, 0.0])


def test_choices_follow_their_propensities() -> None:
    """Chi-squared of 100,000 draws over every legal combination."""
    catalogue = a_catalogue()
    space = legal_space(catalogue, 0)
    config = DecisionConfig(epsilon=0.5, num_draws=16, minimum_share={"h3": 0.2, "g1": 0.1})
    decision = a_decision(catalogue, space, config, seed=4)
    drawn = decision.sample(np.random.default_rng(11), 100_000)
    legal = space.enumerate(LIMIT)
    keys = np.ravel_multi_index(tuple(legal.T), space.sizes)
    at = np.searchsorted(keys, np.ravel_multi_index(tuple(drawn.T), space.sizes))
    expected = decision.propensity(legal) * len(drawn)
    chi_squared = float(((np.bincount(at, minlength=len(keys)) - expected) ** 2 / expected).sum())
    assert expected.min() > 5
    assert abs(chi_squared - (len(keys) - 1)) < 4 * np.sqrt(2 * len(keys))


def test_single_choices_carry_their_own_propensity() -> None:
    catalogue = a_catalogue()
    space = legal_space(catalogue, 0)
    decision = a_decision(catalogue, space, DecisionConfig(epsilon=0.4))
    for seed in range(30):
        positions, propensity = decision.choose(np.random.default_rng(seed))
        assert propensity == pytest.approx(float(decision.propensity(positions[None])[0])) and propensity > 0
        again, _ = decision.choose(np.random.default_rng(seed))
        np.testing.assert_array_equal(again, positions)


def test_what_is_certain_is_chosen_always() -> None:
    catalogue = a_catalogue()
    space = legal_space(catalogue, 0)
    best, config = space.enumerate(1_000)[1], DecisionConfig(epsilon=0.9)
    decision = Decision.certain(config, best, MaskedSoftmax(space, 0), space)
    rng = np.random.default_rng(1)
    for _ in range(50):
        positions, propensity = decision.choose(rng)
        assert positions.tolist() == best.tolist() and propensity == 1.0


def test_a_million_draws_without_an_illegal_combination() -> None:
    catalogue = a_catalogue()
    space = legal_space(catalogue, 0)
    config = DecisionConfig(epsilon=0.4, minimum_share={"t1": 0.3})
    drawn = a_decision(catalogue, space, config).sample(np.random.default_rng(5), 1_000_000)
    assert drawn.shape == (1_000_000, 4) and space.is_legal(drawn).all()
    assert shown_with(space, drawn, catalogue.element_rows["t1"]).mean() > 0.3


def test_a_share_is_split_over_the_slots_the_element_fits() -> None:
    catalogue = a_catalogue()
    space = legal_space(catalogue, 0)
    config = DecisionConfig(minimum_share={"h3": 0.2, "t0": 0.1, "unknown": 0.5, "g0": 0.0})
    parts = minimum_share_parts(config, space, catalogue.element_rows)
    assert [share for share, _ in parts] == [0.1, 0.1, 0.1]
    assert minimum_share_parts(config, legal_space(catalogue, 0, excluded={"h3", "t0"}), catalogue.element_rows) == ()


def test_shares_that_over_commit_are_refused() -> None:
    catalogue = a_catalogue()
    space = legal_space(catalogue, 0)
    config = DecisionConfig(epsilon=0.1, minimum_share={"t1": 0.5, "t2": 0.5})
    with pytest.raises(ConfigError, match=r"Found `epsilon = 0.1` and shares 0.5 \+ 0.5, together 1.1"):
        a_decision(catalogue, space, config)
    full = a_decision(catalogue, space, DecisionConfig(epsilon=0.1, minimum_share={"t1": 0.4, "t2": 0.5}))
    assert full.greedy_weight == pytest.approx(0.0) and full.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epsilon": 0.0}, "Found `epsilon = 0.0`"),
        ({"epsilon": 1.5}, "Found `epsilon = 1.5`"),
        ({"num_draws": 0}, "Found `num_draws = 0`"),
        ({"width": -1.0}, "Found `width = -1.0`"),
        ({"width": float("nan")}, "Found `width = nan`"),
        ({"epsilon": 0.2, "minimum_share": {"e": 0.9}}, "between 0 and 1 - epsilon = 0.8. Found 0.9 for 'e'"),
    ],
)
def test_configurations_out_of_range(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DecisionConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (np.array([[0.0, np.nan]]), "Found nan in draw 0, candidate 1"),
        (np.array([[0.0, 1.0], [np.inf, 0.0]]), "Found inf in draw 1, candidate 0"),
        (np.zeros((3, 5)), r"\[draw, 2\].*Found the shape \(3, 5\)"),
        (np.zeros((0, 2)), r"Found the shape \(0, 2\)"),
    ],
)
def test_scores_that_decide_nothing(drawn: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        winners(np.array([[0], [1]], np.int32), drawn)


def test_candidates_are_all_or_the_best_of_both_bounds() -> None:
    space = legal_space(a_catalogue(), 0)
    tables, upper = random_tables(space.sizes, 1), random_tables(space.sizes, 2)

    def candidates(limit: int) -> np.ndarray:
        return candidate_set(tables, lambda: upper, space, np.random.default_rng(0), limit, beam_width=6)

    np.testing.assert_array_equal(candidates(LIMIT), space.enumerate(LIMIT))
    some = candidates(10)
    assert 6 <= len(some) <= 16 and len(np.unique(some, axis=0)) == len(some) and space.is_legal(some).all()
    np.testing.assert_array_equal(some, candidates(10))
    shown = {tuple(row) for row in some.tolist()}
    for scores in (tables, upper):  # the beam, and where ascent leads from its best
        best = beam(scores, space, 6)
        assert {tuple(row) for row in best.tolist()} <= shown
        assert {tuple(row) for row in coordinate_ascent(scores, space, best[:1])[0].tolist()} <= shown


def test_one_legal_combination_is_served_for_certain() -> None:
    catalogue = a_catalogue()
    space = legal_space(catalogue, 0, pinned={"title": "t1", "h_1": "h0", "h_2": "h1", "tag": "g0"})
    positions, propensity = a_decision(catalogue, space, DecisionConfig()).choose(np.random.default_rng(0))
    assert positions.tolist() == [0, 0, 0, 0] and propensity == pytest.approx(1.0)
