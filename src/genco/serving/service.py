"""One running service: its parts, opened in order and closed in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from genco.serving.auth import Gate
from genco.serving.clock import Clock
from genco.serving.config import ServiceConfig
from genco.serving.decider import Decider
from genco.serving.errors import ApiError
from genco.serving.event_ids import EventIds
from genco.serving.keys import Key
from genco.serving.live_model import CATALOGUE_VERSION, LiveModel
from genco.serving.metrics import Metrics
from genco.serving.served_model import ServedModel
from genco.serving.store import last_time, open_store, put_setting, setting, store_secret
from genco.serving.tables import audit, decisions, element_status
from genco.serving.writer import Writer


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
        self.writer = Writer(self.engine, _insert_decisions)
        try:
            self.live = LiveModel(Path(run), self.engine, self.writer, self.clock, self.metrics)
        except Exception:
            self.close()
            raise

    @property
    def model(self) -> ServedModel:
        """What answers requests now."""
        return self.live.current

    async def act(self, key: Key, act: str, detail: Mapping[str, Any], operation: Any = None) -> Any:
        """Write an admin's act into the audit log, in one transaction with `operation` where one is given."""
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
            put_setting(connection, CATALOGUE_VERSION, str(version))
            names = list(statuses)
            for start in range(0, len(names), 500):
                part = names[start : start + 500]
                connection.execute(element_status.delete().where(element_status.c.element_id.in_(part)))
                rows = [{"element_id": name, "status": statuses[name], "changed_at": now} for name in part]
                connection.execute(insert(element_status), rows)
            return version

        version = int(await self.act(key, "set_statuses", statuses, write))
        await asyncio.to_thread(self.live.take_statuses)
        return version

    def close(self) -> None:
        """Flush and stop."""
        self.stopping = True
        self.decider.close()
        self.writer.close()
        self.engine.dispose()


def _insert_decisions(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(insert(decisions), rows)
