"""The demo: a small world of product cards, a run trained on little, and live traffic whose truth is known."""

from __future__ import annotations

import http.client
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genco.data.catalogue import EMPTY
from genco.rng import stream
from genco.serving.config import ServiceConfig
from genco.serving.keys import add_key
from genco.serving.server import serve
from genco.serving.service import Service
from genco.serving.store import open_store
from genco.simulator.folder import simulate_to_folder
from genco.simulator.scenarios import scenario_named
from genco.simulator.truth import truth_of
from genco.storage.dataset import Dataset, open_dataset
from genco.studio.app import StudioSurface
from genco.studio.users import ADMIN, add_user

log = logging.getLogger(__name__)
NUM_PRODUCTS, NUM_IMPRESSIONS, SEED = 40, 12_000, 2
CONFIG: dict[str, Any] = {
    "training": {"steps": 10, "requests": 32, "group": 8},
    "reward_model": {"residual": "off", "max_own_rank": 8, "max_pair_rank": 4},
}
SERVICE = ServiceConfig(holdout=0.2, reward_window_seconds=5.0, learn_every_seconds=5.0)
PER_SECOND = 60
BATCH_SECONDS = 0.5
NUM_ACTORS = 5_000
HOST = "127.0.0.1"
USER = "demo"


def run_demo(folder: Path, port: int, say: Callable[[str], None]) -> None:
    """Make what is missing in `folder`, then serve until interrupted. The log begins empty every time."""
    data, run = prepare(folder, say)
    store = folder / "store.db"
    for old in (store, *(store.with_name(store.name + end) for end in ("-wal", "-shm"))):
        old.unlink(missing_ok=True)
    shutil.rmtree(Path(f"{run}.learned"), ignore_errors=True)
    engine = open_store(str(store))
    now = time.time_ns() // 1_000
    _, key = add_key(engine, "demo traffic", ("decide", "ingest"), now)
    with engine.begin() as connection:
        add_user(connection, USER, ADMIN, secrets.token_urlsafe(16), now)
    engine.dispose()
    traffic = Traffic(open_dataset(data), port, key)
    url = f"http://{HOST}:{port}"
    serve(run, str(store), SERVICE, HOST, port, "error", say, lambda service: [_Demo(service, data, url, say, traffic)])


def prepare(folder: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    """Dataset and run of the demo; made where they are missing, in about half a minute."""
    data, run = folder / "data", folder / "run"
    if not (data / "dataset.toml").exists():
        say(f"Making a small world of product cards in {folder} ...")
        scenario = replace(scenario_named("jd_card"), num_products=NUM_PRODUCTS)
        simulate_to_folder(scenario, NUM_IMPRESSIONS, SEED, data, overwrite=True)
    if not (run / "run.toml").exists():
        from genco.training.config import config_from
        from genco.training.train import train

        say(f"Training a model on {NUM_IMPRESSIONS:,} impressions, so that much is left to learn ...")
        train(open_dataset(data), run, config_from(CONFIG), overwrite=True)
    return data, run


class _Demo(StudioSurface):
    """The studio with a link that signs in, and traffic that starts and stops with it."""

    def __init__(
        self, service: Service, pictures: Path, url: str, say: Callable[[str], None], traffic: Traffic
    ) -> None:
        super().__init__(service, pictures, url, lambda _: None)
        self._link = f"{url}/studio/enter?link={self.studio.links.make(USER)}"
        self._tell, self._traffic = say, traffic

    def start(self) -> None:
        """Start the traffic too, and say where to look."""
        super().start()
        self._traffic.start()
        self._tell(f"Watch it learn: {self._link}\nStop with Ctrl-C.")

    def stop(self) -> None:
        """Stop the traffic first."""
        self._traffic.stop()
        super().stop()


class Traffic:
    """Shoppers who ask the service for cards, see them, and click as the world's truth has it."""

    def __init__(self, dataset: Dataset, port: int, key: str, per_second: float = PER_SECOND) -> None:
        truth = truth_of(dataset)
        assert truth is not None, "the demo's world keeps its truth"
        self._truth, self._catalogue, self._port, self._per_second = truth, dataset.catalogue, port, per_second
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._rng = stream(int(time.time()), "demo traffic")
        self._products = self._catalogue.products["product_id"].to_list()
        share = 1.0 / (1.0 + np.arange(len(self._products)))
        self._share = share / share.sum()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="genco-demo-traffic", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        """Half a second of shoppers at a time, until stopped."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=10)
        due = time.monotonic() + BATCH_SECONDS
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - BATCH_SECONDS) + BATCH_SECONDS
            try:
                self.shop(connection, round(self._per_second * BATCH_SECONDS))
            except (OSError, http.client.HTTPException):  # the server starts, or stops
                connection.close()
                log.debug("the demo's traffic could not be sent", exc_info=True)

    def shop(self, connection: http.client.HTTPConnection, num: int) -> None:
        """`num` decisions, and what came of them."""
        events: list[dict[str, Any]] = []
        for _ in range(num):
            product = int(self._rng.choice(len(self._products), p=self._share))
            number = int(self._rng.integers(len(self._truth.context_values)))
            name = self._truth.context_name
            question = {
                "product_id": self._products[product],
                "context": {} if name is None else {name: self._truth.context_values[number]},
                "actor_id": f"shopper {self._rng.integers(NUM_ACTORS)}",
                "defer_activation": False,
            }
            made = self._post(connection, "/v1/decide", question)
            ids = [slot["element_id"] for slot in made["slots"]]
            rows = [EMPTY if name is None else self._catalogue.element_rows[name] for name in ids]
            logit = self._truth.logit(
                np.array([product], np.int32), np.array([number], np.int32), np.array([rows], np.int32)
            )
            if self._rng.random() < 1.0 / (1.0 + np.exp(-logit[0])):
                events.append({"event_id": made["event_id"], "kind": "click"})
        if events:
            self._post(connection, "/v1/events", {"events": events})

    def _post(self, connection: http.client.HTTPConnection, path: str, body: dict[str, Any]) -> Any:
        connection.request("POST", path, json.dumps(body), self._headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"{path} answered {answer.status}")
        return json.loads(content)


def demo_folder() -> Path:
    """Where the demo keeps its world and run: `genco/demo` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "genco" / "demo"
