"""Group commit: answered after the commit, taken back before it, and one wrong row sinks nobody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import OperationalError

from genco.serving.errors import StoreUnavailableError
from genco.serving.store import open_store
from genco.serving.tables import settings
from genco.serving.writer import Writer


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_store(str(tmp_path / "store.db"))


def insert_rows(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(insert(settings), rows)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(settings)).scalar() or 0)


def held(writer: Writer) -> threading.Event:
    """Hold the writer in a transaction until the event is set."""
    release, begun = threading.Event(), threading.Event()
    writer.submit(lambda _: (begun.set(), release.wait(60)))
    assert begun.wait(60)
    return release


def row(name: str) -> dict[str, Any]:
    return {"name": name, "value": ""}


def test_what_waits_is_written_together_and_answered_after_the_commit(engine: Engine) -> None:
    groups: list[int] = []

    def counted(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        groups.append(len(rows))
        insert_rows(connection, rows)

    writer = Writer(engine, counted)
    release = held(writer)
    futures = [writer.submit_row(row(str(i))) for i in range(20)]
    seen = writer.submit(lambda connection: connection.execute(select(func.count()).select_from(settings)).scalar())
    assert not futures[0].done()
    release.set()
    assert [future.result(60) for future in futures] == [None] * 20
    assert seen.result(60) == 20
    assert groups == [20]
    writer.close()


def test_what_is_cancelled_in_time_is_never_written(engine: Engine) -> None:
    writer = Writer(engine, insert_rows)
    release = held(writer)
    kept, dropped = writer.submit_row(row("a")), writer.submit_row(row("b"))
    assert dropped.cancel()
    release.set()
    kept.result(60)
    writer.close()
    assert count(engine) == 1


def test_one_wrong_row_sinks_nobody(engine: Engine) -> None:
    writer = Writer(engine, insert_rows)
    release = held(writer)
    futures = [writer.submit_row(row(name)) for name in ("a", "b", "a")]
    release.set()
    assert futures[0].result(60) is None and futures[1].result(60) is None
    with pytest.raises(StoreUnavailableError, match="UNIQUE"):
        futures[2].result(60)
    writer.close()
    assert count(engine) == 2


def test_a_store_that_is_away_fails_the_group_at_once(engine: Engine) -> None:
    attempts = 0

    def away(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        nonlocal attempts
        attempts += 1
        raise OperationalError("insert", {}, Exception("server closed the connection"))

    writer = Writer(engine, away)
    release = held(writer)
    futures = [writer.submit_row(row(str(i))) for i in range(5)]
    release.set()
    for future in futures:
        with pytest.raises(StoreUnavailableError, match="closed the connection"):
            future.result(60)
    assert attempts == 1
    writer.close()


def test_close_writes_what_waits_and_then_refuses(engine: Engine) -> None:
    writer = Writer(engine, insert_rows)
    release = held(writer)
    futures = [writer.submit_row(row(str(i))) for i in range(5)]
    release.set()
    writer.close()
    assert all(future.done() for future in futures) and count(engine) == 5
    with pytest.raises(StoreUnavailableError, match="stopping"):
        writer.submit_row(row("late"))


def test_too_much_waiting_is_refused(engine: Engine) -> None:
    writer = Writer(engine, insert_rows, max_waiting=2)
    release = held(writer)
    for i in range(2):
        writer.submit_row(row(str(i)))
    with pytest.raises(StoreUnavailableError, match="More than 2 writes"):
        writer.submit_row(row("3"))
    release.set()
    writer.close()


def test_a_connection_that_died_while_idle_is_replaced(engine: Engine) -> None:
    """Nothing was committed on it, so the group is written on another."""
    died: list[Connection] = []

    def insert_unless_dead(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        if not died:
            died.append(connection)
            connection.invalidate()
            raise OperationalError("insert", {}, Exception("gone"), connection_invalidated=True)
        insert_rows(connection, rows)

    writer = Writer(engine, insert_unless_dead)
    writer.submit(lambda _: None).result(60)
    writer.submit_row(row("a")).result(60)
    writer.close()
    assert count(engine) == 1 and len(died) == 1


def test_a_new_connection_that_dies_fails_the_group(engine: Engine) -> None:
    def dead(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        raise OperationalError("insert", {}, Exception("gone"), connection_invalidated=True)

    writer = Writer(engine, dead)
    with pytest.raises(StoreUnavailableError, match="gone"):
        writer.submit_row(row("a")).result(60)
    writer.close()
