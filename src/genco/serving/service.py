"""One running service: its parts, opened in order and closed in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from genco.serving.actor_caps import ActorCaps
from genco.serving.actor_limits import ActorLimits
from genco.serving.auth import Gate
from genco.serving.bulk_insert import insert_rows
from genco.serving.clock import Clock
from genco.serving.config import ServiceConfig
from genco.serving.controls import Controls
from genco.serving.decider import Decider
from genco.serving.event_ids import EventIds
from genco.serving.live_model import LiveModel
from genco.serving.metrics import Metrics
from genco.serving.served_model import ServedModel
from genco.serving.store import last_time, open_store, store_secret
from genco.serving.tables import decisions
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
        window_us = round(config.actor_window_seconds * 1e6)
        self.caps = ActorCaps(config.rewards_per_actor, window_us)
        most, per_product = config.decisions_per_actor, config.decisions_per_actor_and_product
        self.limits = ActorLimits(most, per_product, window_us, round(config.forged_window_hours * 3.6e9))
        self.metrics = Metrics()
        self.decider = Decider(config)
        self.stopping = False
        self.writer = Writer(self.engine, _insert_decisions, self.gate.look)
        try:
            self.live = LiveModel(Path(run), self.engine, self.writer, self.clock, self.metrics)
        except Exception:  # whatever it was, no thread or connection stays behind
            self.close()
            raise
        self.controls = Controls(self.engine, self.live, self.clock)

    @property
    def model(self) -> ServedModel:
        """What answers requests now."""
        return self.live.current

    def close(self) -> None:
        """Flush and stop."""
        self.stopping = True
        self.decider.close()
        self.writer.close()
        self.engine.dispose()


def _insert_decisions(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    insert_rows(connection, decisions, rows)
