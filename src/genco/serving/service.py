"""One running service: its parts, opened in order and closed in order."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from genco.policies.optimizer import Optimizer, load
from genco.serving.auth import Gate
from genco.serving.clock import Clock
from genco.serving.config import ServiceConfig
from genco.serving.decider import Decider
from genco.serving.errors import ApiError
from genco.serving.event_ids import EventIds
from genco.serving.keys import Key
from genco.serving.metrics import Metrics
from genco.serving.served_model import ServedModel, with_statuses
from genco.serving.store import last_time, open_store, setting, store_secret
from genco.serving.tables import audit, decisions, element_status, settings
from genco.serving.writer import Writer

log = logging.getLogger(__name__)
CATALOGUE_VERSION = "catalogue_version"


class Service:
    """run: folder of a finished run · store: path or URL.

    Raises `CheckpointError`, `ConfigError`, `StoreUnavailableError`.
    """

    def __init__(self, run: str | Path, store: str, config: ServiceConfig) -> None:
        self.config = config
        self.engine = open_store(store, config.durability)
        self.clock = Clock(not_before=last_time(self.engine))
        self.ids = EventIds(store_secret(self.engine))
        self.gate = Gate(self.engine, config.rate_per_second)
        self.metrics = Metrics()
        self.decider = Decider(config)
        self.stopping = False
        self._swap_lock = threading.Lock()
        self._statuses, self._catalogue_version = _statuses(self.engine)
        self._optimizer = load(run)
        self.model = self._prepared(self._optimizer)
        self.writer = Writer(self.engine, _insert_decisions)

    def _prepared(self, optimizer: Optimizer) -> ServedModel:
        """The run on the catalogue as it is now, warmed up."""
        model = ServedModel(with_statuses(optimizer, self._statuses), self._catalogue_version)
        model.warm_up()
        return model

    async def act(self, key: Key, act: str, detail: Mapping[str, Any], operation: Any = None) -> Any:
        """Write an admin's act into the audit log, in one transaction with what it does."""
        row = {"at": self.clock.now(), "key_id": key.key_id, "act": act, "detail": json.dumps(detail)}

        def write(connection: Connection) -> Any:
            result = None if operation is None else operation(connection)
            connection.execute(insert(audit).values(**row))
            return result

        return await asyncio.wrap_future(self.writer.submit(write))

    async def set_statuses(self, key: Key, statuses: Mapping[str, str]) -> int:
        """Change the status of elements; the next decision obeys. Returns the catalogue's new version.

        Raises `ApiError` for an unknown element; then nothing has changed.
        """
        for element in statuses:
            if element not in self.model.catalogue.element_rows:
                raise ApiError(422, "unknown_id", f"The catalogue has no element {element!r}.")
        now = self.clock.now()

        def write(connection: Connection) -> int:
            version = int(setting(connection, CATALOGUE_VERSION) or 0) + 1
            _replace(connection, settings, "name", [{"name": CATALOGUE_VERSION, "value": str(version)}])
            changed = [{"element_id": e, "status": s, "changed_at": now} for e, s in statuses.items()]
            _replace(connection, element_status, "element_id", changed)
            return version

        version = int(await self.act(key, "set_statuses", statuses, write))
        await asyncio.to_thread(self._take_statuses)
        return version

    def _take_statuses(self) -> None:
        """Read the catalogue's state from the store and serve it."""
        with self._swap_lock:
            self._statuses, self._catalogue_version = _statuses(self.engine)
            self.model = self._prepared(self._optimizer)
        self.metrics.swaps.labels("catalogue").inc()

    def close(self) -> None:
        """Flush and stop."""
        self.stopping = True
        self.decider.close()
        self.writer.close()
        self.engine.dispose()


def _statuses(engine: Engine) -> tuple[dict[str, str], int]:
    with engine.connect() as connection:
        rows = connection.execute(select(element_status.c.element_id, element_status.c.status)).all()
        version = int(setting(connection, CATALOGUE_VERSION) or 0)
    return {element: status for element, status in rows}, version


def _replace(connection: Connection, table: Any, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows over those of the same primary key `name`."""
    column = table.c[name]
    for start in range(0, len(rows), 500):
        part = rows[start : start + 500]
        connection.execute(table.delete().where(column.in_([row[name] for row in part])))
        connection.execute(insert(table), part)


def _insert_decisions(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(insert(decisions), rows)
