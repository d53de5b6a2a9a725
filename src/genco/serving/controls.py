"""Controls: changes made while serving, previewed, applied and undone in the name of who does it.

    service.controls.preview([PinElement(product_id=..., slot_id=..., element_id=...)])   # what it would do
    service.controls.apply([PinElement(...)], actor="user:ann")                           # from the next decision on
    service.controls.undo(number, actor="user:ann")                                       # as if it had never been
    service.controls.history(product_id=..., active=True)

All block until the store has answered: where an event loop runs, call them in a thread (`asyncio.to_thread`). A change
is in force until it is undone; what is in force is folded in order of time (`governed.state_of`), so undoing the last
act restores exactly the state before it, and undoing an earlier one gives the state without it. An undo is undone like
a change. Over restarts and other models controls stay; what they name that a model does not know rests.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine

from genco.data.catalogue import Catalogue
from genco.errors import ConfigError, DataError, UnknownIdError
from genco.policies.optimizer import Optimizer
from genco.serving.additions_checks import merged
from genco.serving.additions_store import write_additions
from genco.serving.audit import note, note_each
from genco.serving.catalogue_schemas import CatalogueChange
from genco.serving.changes import Change, SetStatus, Status, product_of
from genco.serving.clock import Clock
from genco.serving.control_checks import check_change, check_legal, check_products, check_shares, touched_products
from genco.serving.control_preview import Traffic, traffic
from genco.serving.control_store import (
    Control,
    changes_in_force,
    control_named,
    find_controls,
    insert_change,
    insert_undo,
)
from genco.serving.errors import ApiError
from genco.serving.governed import ControlState, state_of
from genco.serving.live_model import LiveModel
from genco.serving.served_model import ServedModel

APPLY, UNDO, EDIT = "apply_control", "undo_control", "edit_catalogue"
SHOWN_PRODUCTS = 10


@dataclass(frozen=True)
class Preview:
    """num_products: whose decisions may change · products: the first of them · traffic: of one product, None where none
    is touched."""

    num_products: int
    products: tuple[str, ...]
    traffic: Traffic | None


class Controls:
    """The controls of one store and of what is served from it. Methods may be called from any thread."""

    def __init__(self, engine: Engine, live: LiveModel, clock: Clock) -> None:
        self._engine, self._live, self._clock = engine, live, clock
        self._lock = threading.Lock()

    def apply(self, changes: Sequence[Change], actor: str) -> list[Control]:
        """Put changes in force, all or none, in one transaction with their audit rows; the next decision obeys.

        Raises `ApiError` 422: `unknown_id`, `other_product`, `invalid_body`, `shares_too_large`,
        `no_legal_combination`; then nothing has changed.
        """
        with self._lock:
            state = self._state_with(changes)

            def check(before: Optimizer, after: Optimizer) -> None:
                _check_all(changes, state, before, after)

            def write(connection: Connection, model: ServedModel) -> list[Control]:
                return self._insert(connection, changes, actor, model)

            return self._live.take(state, check, write)

    def edit_catalogue(self, edit: CatalogueChange, actor: str) -> tuple[int, int]:
        """Add products and elements, set the further rules, change statuses: all or none, in one transaction with its
        audit row; the next decision obeys. Returns the catalogue's version, and how many of the products and elements
        the served run knows itself.

        Raises `ApiError` 422: `invalid_rows` with every fault, and as `apply` does.
        """
        changes = _statuses(edit)
        with self._lock:
            state, own = self._state_with(changes), self._live.serving.control.loaded[1].catalogue
            additions, rules = merged(own, self._live.additions, edit.products, edit.elements, edit.rules)

            def check(before: Optimizer, after: Optimizer) -> None:
                _check_all(changes, state, before, after)
                if rules is not None:
                    everyone = np.arange(before.catalogue.num_products, dtype=np.int32)
                    check_products(everyone, before, after, "the rules sent")
                check_legal(_withdrawn(edit, before, after), before, after)

            def write(connection: Connection, model: ServedModel) -> int:
                now = self._clock.now()
                if edit.products or edit.elements or rules is not None:
                    write_additions(connection, edit.products, edit.elements, rules, now)
                    note(connection, now, actor, EDIT, _summary(edit))
                self._insert(connection, changes, actor, model)
                return model.catalogue_version

            is_same = additions == self._live.additions
            try:
                version = self._live.take(state, check, write, None if is_same else additions)
            except ConfigError as error:
                raise ApiError(422, "text_unusable", str(error)) from error
        known = sum(added.product_id in own.product_rows for added in edit.products)
        return version, known + sum(added.element_id in own.element_rows for added in edit.elements)

    def _insert(
        self, connection: Connection, changes: Sequence[Change], actor: str, model: ServedModel
    ) -> list[Control]:
        now, made = self._clock.now(), []
        for change in changes:
            owner = _owner(change, model.catalogue)
            made.append(insert_change(connection, change, owner, actor, now, model.catalogue_version))
            note_each(connection, now, actor, APPLY, _lines({"control": made[-1].number}, change))
        return made

    def undo(self, number: int, actor: str) -> Control:
        """Take an act back. Raises `ApiError`: 404 `unknown_control`, 409 `already_undone`, 422 as `apply` does."""
        with self._lock:
            undone, state = self._state_without(number)

            def write(connection: Connection, model: ServedModel) -> Control:
                now = self._clock.now()
                made = insert_undo(connection, undone, actor, now, model.catalogue_version)
                note_each(
                    connection, now, actor, UNDO, _lines({"control": made.number, "undoes": number}, undone.change)
                )
                return made

            def check(before: Optimizer, after: Optimizer) -> None:
                _check([undone.change], state, before, after)

            return self._live.take(state, check, write)

    def preview(
        self,
        changes: Sequence[Change],
        undo: int | None = None,
        product_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Preview:
        """What applying `changes`, or undoing the act `undo` instead, would do; nothing is changed.

        product_id: whose traffic to show; not given, the first that is touched. Raises `ApiError` as `apply` and `undo`
        do, and for an unknown product or context.
        """
        before = self._live.current.optimizer
        if undo is None:
            state = self._state_with(changes)
            after = self._live.under(state)
            _check_all(changes, state, before, after)
        else:
            undone, state = self._state_without(undo)
            changes, after = [undone.change], self._live.under(state)
            _check(changes, state, before, after)
        touched = np.unique(np.concatenate([touched_products(change, before.catalogue) for change in changes]))
        names = tuple(str(name) for name in before.catalogue.products["product_id"].gather(touched[:SHOWN_PRODUCTS]))
        shown = product_id or next(iter(names), None)
        try:
            found = None if shown is None else traffic(changes, before, after, shown, context or {})
        except UnknownIdError as error:
            raise ApiError(422, "unknown_id", str(error)) from error
        except DataError as error:
            raise ApiError(422, "bad_context", str(error)) from error
        return Preview(len(touched), names, found)

    def history(
        self, product_id: str | None = None, active: bool | None = None, before: int | None = None, limit: int = 100
    ) -> list[Control]:
        """Acts, newest first. product_id: those that concern this product, changes of no single product included ·
        active: True = changes in force, False = changes undone, None = all acts · before: numbers below this one."""
        with self._engine.connect() as connection:
            return find_controls(connection, product_id, active, before, limit)

    def _state_with(self, changes: Sequence[Change]) -> ControlState:
        with self._engine.connect() as connection:
            return state_of([*changes_in_force(connection), *changes])

    def _state_without(self, number: int) -> tuple[Control, ControlState]:
        with self._engine.connect() as connection:
            undone = control_named(connection, number)
            if not undone.in_force:
                raise ApiError(409, "already_undone", f"Control {number} ({undone.words}) is undone already.")
            return undone, state_of(changes_in_force(connection, undone))


def _check_all(changes: Sequence[Change], state: ControlState, before: Optimizer, after: Optimizer) -> None:
    """`_check`, and that the catalogue has what the changes name."""
    for change in changes:
        check_change(change, after.catalogue)
    _check(changes, state, before, after)


def _check(changes: Sequence[Change], state: ControlState, before: Optimizer, after: Optimizer) -> None:
    check_shares(after, state)
    check_legal(changes, before, after)


def _owner(change: Change, catalogue: Catalogue) -> str | None:
    """The one product that a change concerns; None = no single one."""
    if not isinstance(change, SetStatus):
        return product_of(change)
    rows = touched_products(change, catalogue)
    return str(catalogue.products["product_id"][int(rows[0])]) if len(rows) == 1 else None


def _lines(of: dict[str, int], change: Change) -> list[dict[str, Any]]:
    """What the audit log says of a change: a line for each element whose status it sets, else one."""
    if not isinstance(change, SetStatus):
        return [{**of, "change": change.words}]
    return [{**of, "change": f"{change.status}: {element!r}"} for element in change.element_ids]


def _statuses(edit: CatalogueChange) -> list[Change]:
    """One change for each status; of an element sent twice the later one holds."""
    by_status: dict[Status, list[str]] = {}
    for element, status in {entry.element_id: entry.status for entry in edit.statuses}.items():
        by_status.setdefault(status, []).append(element)
    return [SetStatus(element_ids=tuple(ids), status=status) for status, ids in by_status.items()]


def _withdrawn(edit: CatalogueChange, before: Optimizer, after: Optimizer) -> list[Change]:
    """The statuses that rows sent again take from elements which could be shown before, as changes."""
    had, has = before.catalogue, after.catalogue
    gone = tuple(
        added.element_id
        for added in edit.elements
        if added.element_id in had.element_rows
        and had.element_approved[had.element_rows[added.element_id]]
        and not has.element_approved[has.element_rows[added.element_id]]
    )
    return [SetStatus(element_ids=gone, status="pending")] if gone else []


def _summary(edit: CatalogueChange) -> dict[str, Any]:
    """What the audit log says of an edit: how many, and the first ids."""
    return {
        "products": len(edit.products),
        "elements": len(edit.elements),
        "rules": None if edit.rules is None else len(edit.rules),
        "first": [added.product_id for added in edit.products[:3]] + [added.element_id for added in edit.elements[:3]],
    }
