"""`kill -9` under load: what was acknowledged is there, once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from tests.kits.running_service import RunningService

from genco.serving.store import open_store
from genco.serving.tables import decisions, events
from genco.storage.runs import RunFolder


def load_until_killed(running: RunningService, product: str, acknowledged: list[dict[str, Any]]) -> None:
    """Decide and click until the server is gone; remembers every acknowledged decision and whether its click was."""
    with httpx.Client(base_url=running.url, headers=running.client.headers, timeout=5) as client:
        try:
            while True:
                made = client.post("/v1/decide", json={"product_id": product, "defer_activation": False}).json()
                decision = {**made, "clicked": False}
                acknowledged.append(decision)
                rows = [{"event_id": made["event_id"], "kind": "click"}]
                results = client.post("/v1/events", json={"events": rows}).json()["results"]
                decision["clicked"] = results[0]["status"] == "accepted"
        except httpx.TransportError:
            return


def check_kills(run: RunFolder, store: str, folder: Path, kills: int) -> None:
    product = str(run.read_table("products")["product_id"][0])
    acknowledged: list[dict[str, Any]] = []
    running = RunningService(run.path, store, folder)
    for number in range(kills):
        running.start()
        before = len(acknowledged)
        threads = [threading.Thread(target=load_until_killed, args=(running, product, acknowledged)) for _ in range(3)]
        for thread in threads:
            thread.start()
        threads[0].join(0.5 + 0.13 * (number % 7))
        running.kill()
        for thread in threads:
            thread.join()
        assert len(acknowledged) > before
    running.client.close()
    engine = open_store(store)
    with engine.connect() as connection:
        logged = {row.event_id: row for row in connection.execute(select(decisions))}
        clicked = list(connection.execute(select(events.c.event_id)).scalars())
    engine.dispose()
    assert len(clicked) == len(set(clicked))
    for made in acknowledged:
        assert logged[made["event_id"]].propensity == made["propensity"]
        assert not made["clicked"] or made["event_id"] in clicked


def test_two_kills(pairs_run: RunFolder, store_url: str, tmp_path: Path) -> None:
    check_kills(pairs_run, store_url, tmp_path, 2)


@pytest.mark.soak
def test_twenty_kills(pairs_run: RunFolder, store_url: str, tmp_path: Path) -> None:
    check_kills(pairs_run, store_url, tmp_path, 20)
