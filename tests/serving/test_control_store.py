"""The table of controls against a model of three lines: a list of changes, each on or off."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Connection

from genco.serving.changes import BlockElement, Change, SetStatus
from genco.serving.control_store import (
    Control,
    changes_in_force,
    control_named,
    find_controls,
    insert_change,
    insert_undo,
)
from genco.serving.errors import ApiError
from genco.serving.store import open_store


def change(number: int) -> Change:
    if number % 3:
        return BlockElement(product_id=f"p{number % 2}", element_id=f"e{number}")
    return SetStatus(element_ids=(f"e{number}",), status="blocked")


def add(connection: Connection, number: int) -> Control:
    made = change(number)
    return insert_change(connection, made, getattr(made, "product_id", None), "ann", number, number)


def test_any_sequence_of_changes_and_undos(store_url: str) -> None:
    """An act may be undone exactly while it is in force; then its change is what it was before the act."""
    engine = open_store(store_url)
    draw = random.Random(5)
    on: dict[int, bool] = {}
    acts: dict[int, tuple[int, bool]] = {}  # number -> (change it is about, what it set)
    with engine.begin() as connection:
        for step in range(120):
            if not acts or draw.random() < 0.3:
                made = add(connection, step)
                on[made.number], acts[made.number] = True, (made.number, True)
                continue
            undone = control_named(connection, draw.choice(list(acts)))
            root, set_to = acts[undone.number]
            assert undone.in_force == (on[root] == set_to)
            assert (undone.root, undone.turns_on) == (root, set_to)
            expected = [change_of(connection, n) for n in on if (not set_to if n == root else on[n])]
            if undone.in_force:
                assert changes_in_force(connection, undone) == expected
                made = insert_undo(connection, undone, "bob", step, step)
                on[root], acts[made.number] = not set_to, (root, not set_to)
                assert (made.undoes, made.actor, made.words[:5]) == (undone.number, "bob", "undo ")
            assert changes_in_force(connection) == [change_of(connection, n) for n in on if on[n]]
        listed = find_controls(connection, None, True, None, 1_000)
        assert [found.number for found in listed] == [n for n in reversed(on) if on[n]]
        off = find_controls(connection, None, False, None, 1_000)
        assert {found.number for found in off} == {n for n in on if not on[n]}
    engine.dispose()


def change_of(connection: Connection, number: int) -> Change:
    return control_named(connection, number).change


def test_acts_are_listed_by_product_and_page(store_url: str) -> None:
    engine = open_store(store_url)
    with engine.begin() as connection:
        made = [add(connection, step) for step in range(6)]  # products: none, p1, p0, none, p0, p1
        numbers = [control.number for control in made]
        assert [c.number for c in find_controls(connection, "p1", None, None, 10)] == [numbers[i] for i in (5, 3, 1, 0)]
        assert [c.number for c in find_controls(connection, None, None, numbers[4], 2)] == [numbers[3], numbers[2]]
        with pytest.raises(ApiError, match="No control 99"):
            control_named(connection, 99)
    engine.dispose()
