"""Callers that decide and click against a running server, and the check that nothing they were told is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import select
from tests.kits.running_service import RunningService
from tests.kits.waiting import PATIENCE

from genco.serving.store import open_store
from genco.serving.tables import decisions, events

UNSTORED = "store_unavailable"


@dataclass
class Load:
    """What callers were told. decided: answers of /v1/decide, each with `clicked` · other: other statuses than 200 of
    decisions · slowest: seconds of a decision · until_killed: a lost connection ends a caller rather than fails it."""

    decided: list[dict[str, Any]] = field(default_factory=list)
    other: list[int] = field(default_factory=list)
    slowest: float = 0.0
    until_killed: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def call(self, running: RunningService, products: Sequence[str]) -> None:
        """One caller: decide, click, again."""
        with httpx.Client(base_url=running.url, headers=running.client.headers, timeout=PATIENCE) as client:
            try:
                while not self.stop.is_set():
                    for product in products:
                        self._one(client, product)
            except httpx.TransportError:
                if not self.until_killed:
                    raise

    def _one(self, client: httpx.Client, product: str) -> None:
        started = time.perf_counter()
        answer = client.post("/v1/decide", json={"product_id": product, "defer_activation": False})
        self.slowest = max(self.slowest, time.perf_counter() - started)
        if answer.status_code != 200:
            self.other.append(answer.status_code)
            return
        made = {**answer.json(), "clicked": False, "at": time.monotonic()}
        self.decided.append(made)
        if made["reason"] != UNSTORED:
            rows = [{"event_id": made["event_id"], "kind": "click"}]
            told = client.post("/v1/events", json={"events": rows})
            made["clicked"] = told.status_code == 200 and told.json()["results"][0]["status"] == "accepted"

    @property
    def stored(self) -> list[dict[str, Any]]:
        """Decisions that were acknowledged as stored."""
        return [made for made in self.decided if made["reason"] != UNSTORED]


@contextmanager
def under_load(running: RunningService, products: Sequence[str], callers: int = 3) -> Iterator[Load]:
    """Callers at work inside the block; afterwards every one has ended without an error."""
    load, errors = Load(), list[BaseException]()

    def call() -> None:
        try:
            load.call(running, products)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in threads:
            thread.join()
    assert not errors, (errors, running.log()[-2_000:])


def check_nothing_lost(store: str, load: Load) -> dict[str, Any]:
    """Every acknowledged decision and click is there, once, as it was told. Returns the stored decisions by id."""
    engine = open_store(store)
    with engine.connect() as connection:
        logged = {row.event_id: row for row in connection.execute(select(decisions))}
        clicked = list(connection.execute(select(events.c.event_id)).scalars())
    engine.dispose()
    assert len(clicked) == len(set(clicked))
    there = set(clicked)
    for made in load.stored:
        assert logged[made["event_id"]].propensity == made["propensity"]
        assert not made["clicked"] or made["event_id"] in there
    return logged
