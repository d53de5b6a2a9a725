"""The table of controls: every act in order, and which changes are in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from genco.serving.changes import Change, change_from_json
from genco.serving.errors import ApiError
from genco.serving.tables import controls


@dataclass(frozen=True)
class Control:
    """One act: a change, or the undoing of an earlier act.

    change: the change it is about · undoes: number of the act that this one undoes, None = the change itself ·
    in_force: a change holds, or an undo still takes its change back; then it can be undone · product_id: whom alone it
    concerns · version: of the catalogue, from which on decisions obey · root: number of the change it is about ·
    turns_on: whether it puts that change in force.
    """

    number: int
    at: int
    actor: str
    change: Change
    undoes: int | None
    in_force: bool
    product_id: str | None
    version: int
    root: int
    turns_on: bool

    @property
    def words(self) -> str:
        """What it did, for people."""
        return self.change.words if self.undoes is None else f"undo {self.undoes}: {self.change.words}"


def insert_change(
    connection: Connection, change: Change, product_id: str | None, actor: str, at: int, version: int
) -> Control:
    """Write a change that is in force from now on."""
    return _insert(connection, change, product_id, actor, at, version, None, None, True)


def insert_undo(connection: Connection, undone: Control, actor: str, at: int, version: int) -> Control:
    """Write that an act is undone; every act on the same change is in force or not accordingly."""
    on = not undone.turns_on
    same = or_(controls.c.number == undone.root, controls.c.root == undone.root)
    connection.execute(update(controls).where(same, controls.c.turns_on.is_(on)).values(in_force=True))
    connection.execute(update(controls).where(same, controls.c.turns_on.is_(not on)).values(in_force=False))
    return _insert(connection, undone.change, undone.product_id, actor, at, version, undone.number, undone.root, on)


def _insert(
    connection: Connection,
    change: Change,
    product_id: str | None,
    actor: str,
    at: int,
    version: int,
    undoes: int | None,
    root: int | None,
    turns_on: bool,
) -> Control:
    values = {
        "at": at,
        "actor": actor,
        "product_id": product_id,
        "change": change.model_dump_json(),
        "undoes": undoes,
        "root": root,
        "turns_on": turns_on,
        "in_force": True,
        "version": version,
    }
    number = connection.execute(insert(controls).values(**values)).inserted_primary_key
    assert number is not None
    return control_named(connection, int(number[0]))


def changes_in_force(connection: Connection, toggled: Control | None = None) -> list[Change]:
    """Changes in force in order of time; as they would be once the act `toggled` is undone."""
    query = select(controls.c.number, controls.c.change).where(controls.c.undoes.is_(None))
    if toggled is None:
        query = query.where(controls.c.in_force.is_(True))
    elif toggled.turns_on:
        query = query.where(controls.c.in_force.is_(True), controls.c.number != toggled.root)
    else:
        query = query.where(or_(controls.c.in_force.is_(True), controls.c.number == toggled.root))
    return [change_from_json(text) for _, text in connection.execute(query.order_by(controls.c.number))]


def control_named(connection: Connection, number: int) -> Control:
    """Raises `ApiError` 404."""
    row = connection.execute(select(controls).where(controls.c.number == number)).one_or_none()
    if row is None:
        raise ApiError(404, "unknown_control", f"No control {number} is stored.")
    return _control(row)


def find_controls(
    connection: Connection, product_id: str | None, active: bool | None, before: int | None, limit: int
) -> list[Control]:
    """Acts, newest first. See `Controls.history`."""
    query = select(controls).order_by(controls.c.number.desc()).limit(limit)
    if product_id is not None:
        query = query.where(or_(controls.c.product_id == product_id, controls.c.product_id.is_(None)))
    if active is not None:
        query = query.where(controls.c.undoes.is_(None), controls.c.in_force.is_(active))
    if before is not None:
        query = query.where(controls.c.number < before)
    return [_control(row) for row in connection.execute(query)]


def _control(row: Row[Any]) -> Control:
    return Control(
        number=row.number,
        at=row.at,
        actor=row.actor,
        change=change_from_json(row.change),
        undoes=row.undoes,
        in_force=row.in_force,
        product_id=row.product_id,
        version=row.version,
        root=row.number if row.root is None else row.root,
        turns_on=row.turns_on,
    )
