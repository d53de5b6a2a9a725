"""Changes folded into one state, and what a run makes of it."""

from __future__ import annotations

import pytest

from genco.data.rules import Block, Forbid, Pin
from genco.policies.optimizer import Optimizer
from genco.serving.changes import (
    BlockElement,
    Change,
    ForbidPair,
    MinimumShare,
    PauseExploration,
    PinElement,
    SetStatus,
    change_from_json,
)
from genco.serving.governed import ControlState, governed, shares_of, state_of

EVERY: list[Change] = [
    SetStatus(element_ids=("a", "b"), status="pending"),
    PinElement(product_id="p", slot_id="title", element_id="a"),
    BlockElement(product_id="p", element_id="b"),
    ForbidPair(element_ids=("a", "b")),
    MinimumShare(element_id="a", share=0.25),
    PauseExploration(product_id="p"),
]


def test_changes_fold_in_order() -> None:
    again = [
        SetStatus(element_ids=("b",), status="approved"),
        MinimumShare(element_id="a", share=0.5),
        MinimumShare(element_id="a", share=0.1, product_id="p"),
        EVERY[1],
    ]
    state = state_of([*EVERY, *again])
    assert state.statuses == {"a": "pending", "b": "approved"}
    assert state.rules == (Pin("title", "a", "p"), Block("b", None, "p"), Forbid((("a", "b"),)))
    assert state.shares == {None: {"a": 0.5}, "p": {"a": 0.1}}
    assert state.paused == {"p"}


@pytest.mark.parametrize("change", EVERY, ids=lambda change: str(change.kind))
def test_changes_are_kept_as_json_and_say_what_they_do(change: Change) -> None:
    assert change_from_json(change.model_dump_json()) == change
    assert any(name in change.words for name in ("'a'", "'b'", "'p'"))


def test_long_lists_are_cut_in_words() -> None:
    change = SetStatus(element_ids=tuple("abcde"), status="blocked")
    assert change.words == "blocked: 'a', 'b', 'c' and 2 more"


def test_shares_of_products_of_all_and_of_the_run(pairs_optimizer: Optimizer) -> None:
    catalogue = pairs_optimizer.catalogue
    first, other = (str(name) for name in catalogue.products["product_id"][:2])
    mine, mine_too = (str(catalogue.elements["element_id"][int(row)]) for row in catalogue.pool(0, 0)[:2])
    asked = {None: {mine: 0.2}, first: {mine_too: 0.1}, other: {}, "nothing": {mine: 0.5}}
    shared, by_product = shares_of(catalogue, {mine: 0.3, "nothing": 0.1}, asked)
    assert shared == {} and by_product == {0: {mine: 0.2, mine_too: 0.1}, 1: {}}
    assert shares_of(catalogue, {}, {first: {mine: 0.4}, None: {mine: 0.2}})[1] == {0: {mine: 0.4}}


def test_statuses_change_and_indexes_stay(pairs_optimizer: Optimizer) -> None:
    catalogue = pairs_optimizer.catalogue
    title = str(catalogue.elements["element_id"][int(catalogue.pool(0, 0)[1])])
    status = catalogue.status_with({title: "blocked", "nothing": "approved"})
    changed = catalogue.under(status, ())
    assert status.name == "status" and (status != catalogue.elements["status"]).sum() == 1
    assert changed.pool(0, 0).tolist() == [row for row in catalogue.pool(0, 0) if row != catalogue.element_rows[title]]
    assert catalogue.elements["status"][catalogue.element_rows[title]] == "approved"
    assert changed.element_rows is catalogue.element_rows and changed.rules == ()
    assert changed.elements.drop("status").equals(catalogue.elements.drop("status"))


def test_names_another_run_does_not_know_rest(pairs_optimizer: Optimizer) -> None:
    before = pairs_optimizer.generate(str(pairs_optimizer.catalogue.products["product_id"][0]), k=3)
    same = governed(pairs_optimizer, state_of(EVERY))
    assert same.catalogue.rules == pairs_optimizer.catalogue.rules
    assert same.generate(str(same.catalogue.products["product_id"][0]), k=3) == before
    assert governed(pairs_optimizer, ControlState()) is pairs_optimizer


def test_shares_shrink_where_a_run_leaves_less_room(pairs_optimizer: Optimizer) -> None:
    catalogue = pairs_optimizer.catalogue
    product = str(catalogue.products["product_id"][0])
    names = [str(catalogue.elements["element_id"][int(row)]) for row in catalogue.pool(0, 0)[:2]]
    state = ControlState(shares={product: dict.fromkeys(names, 0.7)})
    shares = governed(pairs_optimizer, state).policy.products.minimum_share[0]
    assert shares == {name: pytest.approx(0.49) for name in names}  # half of 1 - epsilon = 0.98 each
