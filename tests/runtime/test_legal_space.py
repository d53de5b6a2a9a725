"""The legal space against every combination asked one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.kits.small_catalogues import catalogue_of, legal_the_slow_way, small_catalogues

from genco.data.catalogue import EMPTY, Catalogue, Slot
from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin, Rule
from genco.errors import ConfigError, DataError, RuleError, UnknownIdError
from genco.runtime.legal_space import LegalSpace, RuleBook, legal_space

LIMIT = 10_000
PLAIN = [(f"{c}{i}", "p0", c, "approved") for c in "ab" for i in range(3)] + [("b9", "p1", "b", "approved")]
SLOTS = (Slot("s0", "a"), Slot("s1", "b"))


def rows_of(space: LegalSpace, positions: np.ndarray) -> set[tuple[int, ...]]:
    rows = np.column_stack([space.candidates[c][positions[:, c]] for c in range(space.num_slots)])
    return set(map(tuple, rows.tolist()))


def open_space(catalogue: Catalogue, **asked: object) -> tuple[LegalSpace | None, set[tuple[int, ...]]]:
    """The space of p0, None if its rules leave nothing, and what it should be."""
    slow = legal_the_slow_way(catalogue, 0, **asked)  # type: ignore[arg-type]
    try:
        return legal_space(catalogue, 0, **asked), slow  # type: ignore[arg-type]
    except RuleError:
        return None, slow


def every_combination(space: LegalSpace) -> np.ndarray:
    return np.indices(space.sizes).reshape(space.num_slots, -1).T.astype(np.int32)


@given(small_catalogues())
@settings(max_examples=120, deadline=None)
def test_every_answer_agrees_with_brute_force(catalogue: Catalogue) -> None:
    space, slow = open_space(catalogue)
    if space is None:
        assert not slow
        return
    found = space.enumerate(LIMIT)
    assert rows_of(space, found) == slow and len(found) == len(slow)
    assert found.tolist() == sorted(found.tolist())
    assert space.count(LIMIT) == len(slow) <= space.size_bound
    assert space.count(len(slow) - 1) == len(slow)
    assert rows_of(space, every_combination(space)[space.is_legal(every_combination(space))]) == slow


@given(small_catalogues())
@settings(max_examples=60, deadline=None)
def test_masks_are_exact_for_every_prefix(catalogue: Catalogue) -> None:
    space, _ = open_space(catalogue)
    assume(space is not None)
    assert space is not None
    legal = space.enumerate(LIMIT)
    for slot in range(space.num_slots):
        prefixes = np.unique(legal[:, :slot], axis=0)
        expected = np.zeros((len(prefixes), space.sizes[slot]), dtype=bool)
        for row, prefix in enumerate(prefixes):
            expected[row, legal[(legal[:, :slot] == prefix).all(axis=1), slot]] = True
        np.testing.assert_array_equal(space.mask(prefixes), expected)
        for row, prefix in enumerate(prefixes):
            np.testing.assert_array_equal(space.mask(prefix[None])[0], expected[row])


@given(small_catalogues(max_slots=4))
@settings(max_examples=40, deadline=None)
def test_neighbours_are_the_legal_single_changes(catalogue: Catalogue) -> None:
    space, _ = open_space(catalogue)
    assume(space is not None)
    assert space is not None
    legal = space.enumerate(LIMIT)[:50]
    for slot in range(space.num_slots):
        changes = np.repeat(legal, space.sizes[slot], axis=0)
        changes[:, slot] = np.tile(np.arange(space.sizes[slot]), len(legal))
        expected = space.is_legal(changes).reshape(len(legal), -1)
        np.testing.assert_array_equal(space.neighbours(legal, slot), expected)


@given(small_catalogues(max_slots=4), st.data())
@settings(max_examples=40, deadline=None)
def test_requests_and_restrictions(catalogue: Catalogue, data: st.DataObject) -> None:
    slot = data.draw(st.integers(0, catalogue.num_slots - 1))
    element = data.draw(st.sampled_from(catalogue.elements["element_id"].to_list()))
    excluded = tuple(data.draw(st.lists(st.sampled_from(catalogue.elements["element_id"].to_list()), max_size=2)))
    space, slow = open_space(catalogue, pinned={catalogue.slots[slot].name: element}, excluded=excluded)
    assert (space is None) == (not slow)
    if space is not None:
        assert rows_of(space, space.enumerate(LIMIT)) == slow
    whole, _ = open_space(catalogue)
    if whole is not None:
        legal = whole.enumerate(LIMIT)
        position = data.draw(st.integers(0, whole.sizes[slot] - 1))
        part = whole.restricted(slot, position)
        assert part.is_empty == (not (legal[:, slot] == position).any())
        if not part.is_empty:
            np.testing.assert_array_equal(part.enumerate(LIMIT), legal[legal[:, slot] == position])
            np.testing.assert_array_equal(whole.is_legal(legal), True)


@given(small_catalogues())
@settings(max_examples=40, deadline=None)
def test_uniform_probabilities_sum_to_one(catalogue: Catalogue) -> None:
    space, _ = open_space(catalogue)
    assume(space is not None)
    assert space is not None
    log_prob = space.uniform_log_prob(every_combination(space))
    assert np.exp(log_prob).sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(np.isfinite(log_prob), space.is_legal(every_combination(space)))
    drawn = space.sample_uniform(np.random.default_rng(0), 400)
    assert space.is_legal(drawn).all()


def jd_like() -> Catalogue:
    elements = [(f"{c}{i}", "p0", c, "approved") for c in "abh" for i in range(5)]
    slots = (Slot("s0", "a"), Slot("s1", "h"), Slot("s2", "h"), Slot("s3", "h"), Slot("s4", "b", required=False))
    forbid = Forbid((("a0", "h0"), ("a0", "h1"), ("a0", "h2"), ("a1", "b0"), ("h3", "b1")), "p0")
    return catalogue_of(slots, elements, (Distinct(("s1", "s2", "s3")), forbid))


def test_a_million_uniform_draws_are_legal_and_follow_their_probabilities() -> None:
    space = legal_space(jd_like(), 0)
    drawn = space.sample_uniform(np.random.default_rng(1), 1_000_000)
    assert space.is_legal(drawn).all()
    legal = space.enumerate(LIMIT)
    keys = np.ravel_multi_index(tuple(legal.T), space.sizes)
    counts = np.bincount(np.searchsorted(keys, np.ravel_multi_index(tuple(drawn.T), space.sizes)), minlength=len(keys))
    expected = np.exp(space.uniform_log_prob(legal)) * len(drawn)
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert abs(chi_squared - (len(keys) - 1)) < 5 * np.sqrt(2 * len(keys))


def test_a_tangle_without_room_is_searched() -> None:
    """Four slots over four elements, all different: 24 permutations, every mask tight."""
    elements = [(f"h{i}", "p0", "h", "approved") for i in range(4)]
    slots = tuple(Slot(f"s{i}", "h") for i in range(4))
    space = legal_space(catalogue_of(slots, elements, (Distinct(("s0", "s1", "s2", "s3")),)), 0)
    assert space.count(LIMIT) == 24
    assert rows_of(space, space.enumerate(24)) == legal_the_slow_way(
        catalogue_of(slots, elements, (Distinct(("s0", "s1", "s2", "s3")),)), 0
    )
    forbid = Forbid(tuple((f"h{i}", f"h{j}") for i in range(4) for j in range(4) if abs(i - j) < 2))
    with pytest.raises(RuleError, match="forbid"):
        legal_space(catalogue_of(slots, elements, (forbid,)), 0)


def test_eight_slots_over_seven_elements_are_refused_at_once() -> None:
    elements = [(f"h{i}", "p0", "h", "approved") for i in range(7)]
    slots = tuple(Slot(f"s{i}", "h") for i in range(8))
    with pytest.raises(RuleError, match="distinct"):
        legal_space(catalogue_of(slots, elements, (Distinct(tuple(slot.name for slot in slots)),)), 0)


def test_no_rules_cost_nothing_and_constrain_nothing() -> None:
    space = legal_space(catalogue_of(SLOTS, PLAIN), 0)
    assert not space.is_constrained and space.compatible == {} and space.only is None
    assert space.size_bound == space.count(LIMIT) == 9
    assert space.mask(np.zeros((4, 1), np.int32)).all() and space.neighbours(np.zeros((4, 2), np.int32), 1).all()
    assert space.is_legal(np.array([[0, 2], [0, 3], [-1, 0]], np.int32)).tolist() == [True, False, False]


def test_rules_that_touch_nothing_leave_the_space_free() -> None:
    rules: tuple[Rule, ...] = (Forbid((("a0", "b9"),)), Distinct(("s0", "s1")), Block("b9"), Pin("s1", "b9"))
    assert not legal_space(catalogue_of(SLOTS, PLAIN, rules), 0).is_constrained
    assert legal_space(catalogue_of(SLOTS[1:], PLAIN, rules[3:4][:0]), 1).sizes == (1,)


def test_one_slot_one_candidate() -> None:
    space = legal_space(catalogue_of(SLOTS[:1], PLAIN[:1]), 0)
    assert space.enumerate(1).tolist() == [[0]]
    assert space.uniform_log_prob(space.enumerate(1)).tolist() == [0.0]


def test_an_optional_slot_without_elements_shows_nothing() -> None:
    slots = (Slot("s0", "a"), Slot("s1", "z", required=False))
    space = legal_space(catalogue_of(slots, PLAIN, (Distinct(("s0", "s1")),)), 0)
    assert space.candidates[1].tolist() == [EMPTY]
    assert space.count(LIMIT) == 3


def test_all_slots_pinned() -> None:
    space = legal_space(catalogue_of(SLOTS, PLAIN), 0, pinned={"s0": "a1", "s1": "b2"})
    assert [rows.tolist() for rows in space.candidates] == [[1], [5]]


def test_the_empty_element_needs_a_pair_under_allow() -> None:
    slots = (SLOTS[0], Slot("s1", "b", required=False))
    strict = legal_space(catalogue_of(slots, PLAIN, (Allow(("s1", "s0"), (("b0", "a0"), ("b1", "a1"))),)), 0)
    assert rows_of(strict, strict.enumerate(LIMIT)) == {(0, 3), (1, 4)}
    loose = legal_space(catalogue_of(slots, PLAIN, (Allow(("s0", "s1"), (("a0", "b0"), ("a1", ""))),)), 0)
    assert rows_of(loose, loose.enumerate(LIMIT)) == {(0, 3), (1, EMPTY)}


@pytest.mark.parametrize(
    ("rules", "message", "named"),
    [
        ((Pin("s0", "a0"), Block("a0")), "block 'a0', together with the rule: pin 'a0'", "block 'a0'"),
        ((Pin("s0", "a0"), Pin("s0", "a1")), "pin 'a1' in slot 's0', together with the rule: pin 'a0'", "pin 'a1'"),
        ((Block("b1"), Block("b0"), Block("b2"), Block("a0")), "block 'b2', together", "block 'b2'"),
        ((Pin("s0", "b0"),), "The element is a 'b', the slot shows a 'a'", "pin 'b0'"),
        ((Pin("s1", "b9", "p0"),), "The element belongs to product 'p1'", "pin 'b9'"),
        ((Pin("s0", "a7"),), "The element's status is 'pending'", "pin 'a7'"),
        ((Forbid((("a0", "b0"),)), Block("a1"), Only("p0", (("a1", "b1"), ("a0", "b0")))), "only 2 comb", "only"),
        ((Allow(("s0", "s1"), (("a0", "b9"),)),), "rule: allow 1 pairs", "allow"),
        ((Only("p0", ((None, "b0"),)),), "rule: only 1 combinations", "only"),
    ],
)
def test_the_guilty_rule_is_named(rules: tuple[Rule, ...], message: str, named: str) -> None:
    catalogue = catalogue_of(SLOTS, [*PLAIN, ("a7", "p0", "a", "pending")], rules)
    with pytest.raises(RuleError, match="'p0'") as caught:
        legal_space(catalogue, 0)
    assert message in str(caught.value)
    assert caught.value.rule.startswith(named)


def test_rules_that_leave_others_alone_are_not_blamed() -> None:
    rules = (Block("a1"), Distinct(("s0", "s1")), Forbid((("a0", "b0"), ("a0", "b1"), ("a0", "b2"))), Block("a2"))
    with pytest.raises(RuleError) as caught:
        legal_space(catalogue_of(SLOTS, PLAIN, rules), 0)
    assert caught.value.rule.startswith("forbid") and "distinct" not in str(caught.value)


def test_a_required_slot_without_an_approved_element_comes_first() -> None:
    with pytest.raises(RuleError, match=r"'p1'.*no approved element for required slot 's0'") as caught:
        legal_space(catalogue_of(SLOTS, PLAIN, (Block("b9"),)), 1)
    assert caught.value.rule == "no approved element for required slot 's0'"


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (Pin("s7", "a0"), UnknownIdError, "Unknown slot 's7'"),
        (Block("x"), UnknownIdError, "Unknown element 'x'"),
        (Forbid((("a0", ""),)), UnknownIdError, "Unknown element ''"),
        (Only("p7", (("a0", "b0"),)), UnknownIdError, "Unknown product_id 'p7'"),
        (Only("p0", (("a0",),)), DataError, r"one element per slot, 2 of them. Found \('a0',\)"),
        (Allow(("s0", "s0"), (("a0", "a0"),)), DataError, "two different slots"),
    ],
)
def test_rules_that_cannot_be_read(rule: Rule, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RuleBook(catalogue_of(SLOTS, PLAIN, (rule,)))


def test_requests_name_known_slots_and_elements() -> None:
    catalogue = catalogue_of(SLOTS, PLAIN)
    with pytest.raises(UnknownIdError, match="slot 'top'"):
        legal_space(catalogue, 0, pinned={"top": "a0"})
    with pytest.raises(UnknownIdError, match="element 'zz'"):
        legal_space(catalogue, 0, excluded={"zz"})
    with pytest.raises(RuleError, match="block 'a2'"):
        legal_space(catalogue, 0, excluded=("a0", "a1", "a2"))


def test_enumeration_refuses_more_than_its_limit() -> None:
    for rules in ((), (Forbid((("a0", "b0"),)),), (Only("p0", (("a0", "b0"), ("a1", "b0"), ("a1", "b1"))),)):
        space = legal_space(catalogue_of(SLOTS, PLAIN, rules), 0)
        with pytest.raises(ConfigError, match="Found `limit = 2`"):
            space.enumerate(2)
        assert space.count(2) == 3
