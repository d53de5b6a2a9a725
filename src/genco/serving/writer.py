"""Group commit: one thread writes, and everything that waits goes into one transaction.

What `submit` returns is answered only after the commit, so an acknowledged row is in the store. The thread takes what
has queued up while it was writing the last group, so groups grow with load and a lone row waits for nobody. It keeps
its connection, which saves asking the store whether it is alive before every group.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from genco.serving.errors import StoreUnavailableError

MAX_GROUP = 512
MAX_WAITING = 8_192
Operation = Callable[[Connection], Any]


@dataclass(frozen=True)
class _Item:
    """One row for the bulk insert, or an operation."""

    row: dict[str, Any] | None
    operation: Operation | None
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """insert: writes rows given to `submit_row`, all of a group in one statement · first: looks at the store at the
    beginning of every transaction. Use `close` to flush."""

    def __init__(
        self,
        engine: Engine,
        insert: Callable[[Connection, Sequence[dict[str, Any]]], None],
        first: Callable[[Connection], None] = lambda _: None,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._engine, self._insert, self._first = engine, insert, first
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()  # in C: half the cost of `Queue`
        self._max_waiting = max_waiting
        self._closed = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="genco-writer", daemon=True)
        self._thread.start()

    def submit_row(self, row: dict[str, Any]) -> Future[None]:
        """Insert one row. The future is done once it is committed; cancelled in time, it is never written.

        Raises `StoreUnavailableError` where too much is waiting already or the writer is closed.
        """
        return self._put(_Item(row, None))

    def submit(self, operation: Operation) -> Future[Any]:
        """Run `operation` in the group's transaction, after the rows that came before it."""
        return self._put(_Item(None, operation))

    @property
    def num_waiting(self) -> int:
        return self._items.qsize()

    def close(self) -> None:
        """Write what waits, then stop."""
        self._closed = True
        self._items.put(None)
        self._thread.join()

    def _put(self, item: _Item) -> Future[Any]:
        if self._closed:
            raise StoreUnavailableError("The service is stopping.")
        if self._items.qsize() >= self._max_waiting:
            raise StoreUnavailableError(f"More than {self._max_waiting} writes are waiting for the store.")
        self._items.put(item)
        return item.future

    def _run(self) -> None:
        open_ = True
        while open_:
            taken = [self._items.get()]
            while len(taken) < MAX_GROUP and not self._items.empty():
                taken.append(self._items.get_nowait())
            open_ = None not in taken
            group = [item for item in taken if item is not None and item.future.set_running_or_notify_cancel()]
            if group:
                self._commit(group)
        self._let_go()

    def _commit(self, group: Sequence[_Item]) -> None:
        """Write the group and answer it. Where one member is at fault, each is tried by itself."""
        try:
            results = self._transact(group)
        except Exception as error:  # handed on: to whoever waits for the write
            if len(group) > 1 and not isinstance(error, OperationalError):
                for item in group:
                    self._commit([item])
                return
            for item in group:
                item.future.set_exception(_as_unavailable(error))
            return
        for item, result in zip(group, results, strict=True):
            item.future.set_result(result)

    def _transact(self, group: Sequence[_Item]) -> list[Any]:
        """One transaction on the connection that is kept; on a new one if it died before the commit was sent."""
        kept, applied = self._connection is not None, False
        connection = self._connection = self._connection or self._engine.connect()
        try:
            with connection.begin():
                results = self._apply(connection, group)
                applied = True
            return results
        except Exception as error:  # raised again, unless the connection had died before anything was sent
            self._let_go()
            died = isinstance(error, DBAPIError) and error.connection_invalidated
            if kept and died and not applied:
                return self._transact(group)
            raise

    def _let_go(self) -> None:
        """Give the connection back to the pool, which rolls back what is open and discards a dead one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _apply(self, connection: Connection, group: Sequence[_Item]) -> list[Any]:
        self._first(connection)
        rows = [item.row for item in group if item.row is not None]
        if rows:
            self._insert(connection, rows)
        return [None if item.operation is None else item.operation(connection) for item in group]


def _as_unavailable(error: Exception) -> Exception:
    if isinstance(error, SQLAlchemyError):
        return StoreUnavailableError(" ".join(str(getattr(error, "orig", None) or error).split()))
    return error
