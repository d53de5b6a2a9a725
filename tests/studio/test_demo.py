"""The demo's shoppers: their decisions are counted, and they click at about the true rates."""

from __future__ import annotations

import time

import pytest
from tests.kits.running_service import KEY, RunningService

from genco.storage.dataset import Dataset
from genco.storage.runs import RunFolder
from genco.studio.demo import Traffic, demo_folder


def test_shoppers_are_served_and_click(
    card: Dataset, card_run: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("demo")
    with RunningService(card_run.path, str(folder / "store.db"), folder, learn_every_seconds=0, holdout=0.5) as running:
        port = int(running.url.rsplit(":", 1)[1])
        traffic = Traffic(card, port, KEY, per_second=200)
        traffic.start()
        deadline = time.monotonic() + 20
        found = {"impressions": 0, "clicks": 0}
        while (found["impressions"] < 100 or not found["clicks"]) and time.monotonic() < deadline:
            time.sleep(0.2)
            found = running.client.get("/v1/reports/combinations").json()
        traffic.stop()
        assert found["impressions"] >= 100 and 0 < found["clicks"] < found["impressions"] / 2


def test_the_demo_lives_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert demo_folder().as_posix() == "/somewhere/genco/demo"
