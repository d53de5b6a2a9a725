"""The demo's shoppers: their decisions are counted, and they click at about the true rates."""

from __future__ import annotations

import pytest
from tests.kits.running_service import KEY, RunningService
from tests.kits.waiting import until

from genco.storage.dataset import Dataset
from genco.storage.runs import RunFolder
from genco.studio.demo import Traffic, demo_folder


def test_shoppers_are_served_and_click(
    card: Dataset, card_run: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("demo")
    with RunningService(card_run.path, str(folder / "store.db"), folder, holdout=0.5) as running:
        port = int(running.url.rsplit(":", 1)[1])
        traffic = Traffic(card, port, KEY, per_second=200)
        traffic.start()

        def enough() -> dict[str, int] | None:
            found: dict[str, int] = running.client.get("/v1/reports/combinations").json()
            return found if found["impressions"] >= 100 and found["clicks"] else None

        found = until(enough, "There should be 100 impressions and a click")
        traffic.stop()
        assert found is not None and found["clicks"] < found["impressions"] / 2


def test_the_demo_lives_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert demo_folder().as_posix() == "/somewhere/genco/demo"
