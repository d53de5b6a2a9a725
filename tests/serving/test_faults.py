"""Faults under load, with a real server: decisions go on, say why, and nothing acknowledged is lost."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.kits.real_postgres import RealPostgres
from tests.kits.running_service import RunningService
from tests.kits.service_load import UNSTORED, Load, check_nothing_lost, under_load
from tests.kits.waiting import until

from genco.storage.runs import RunFolder

SHORT, LONG = 0.3, 8.0
durations = pytest.mark.parametrize("seconds", [SHORT, pytest.param(LONG, marks=pytest.mark.soak)])


def products_of(run: RunFolder) -> list[str]:
    return [str(name) for name in run.read_table("products")["product_id"][:5]]


def check_answers(load: Load, *reasons: str) -> None:
    """Every decision was answered, with a propensity; those that were not stored are the baseline."""
    assert load.other == []
    assert {made["reason"] for made in load.decided} <= {"", *reasons}
    for made in load.decided:
        assert 0 < made["propensity"] <= 1
        assert made["policy"] == ("baseline" if made["reason"] else "model")
    counts, clicks = Counter(made["reason"] for made in load.decided), sum(made["clicked"] for made in load.decided)
    print(f"\nanswers by reason {dict(counts)}, clicks acknowledged {clicks:,}, slowest {load.slowest:.2f} s")


def wait_for(load: Load, reason: str, num: int = 5) -> None:
    """Until `num` decisions more were answered for this reason."""
    first = len(load.decided)

    def is_there() -> bool:
        return sum(made["reason"] == reason for made in load.decided[first:]) >= num

    until(is_there, f"{num} answers should have the reason {reason!r}")


@durations
def test_postgresql_stopped_and_started(pairs_run: RunFolder, tmp_path: Path, seconds: float) -> None:
    server = RealPostgres()
    store = server.start()
    try:
        with RunningService(pairs_run.path, store, tmp_path) as running:
            with under_load(running, products_of(pairs_run)) as load:
                wait_for(load, "")
                time.sleep(seconds)
                server.stop()
                wait_for(load, UNSTORED)
                assert running.client.get("/health/ready").status_code == 503
                assert running.client.get("/health/live").status_code == 200
                time.sleep(seconds)
                server.start()
                wait_for(load, "")
                time.sleep(seconds)
            assert running.client.get("/health/ready").status_code == 200
        check_answers(load, UNSTORED)
        check_nothing_lost(store, load)
    finally:
        server.close()


@durations
def test_disk_full(pairs_run: RunFolder, tmp_path: Path, seconds: float) -> None:
    """No file of the server may grow: what a full disk does to SQLite, for this process alone."""
    store = str(tmp_path / "store.db")
    with RunningService(pairs_run.path, store, tmp_path) as running:
        with under_load(running, products_of(pairs_run)) as load:
            wait_for(load, "")
            time.sleep(seconds)
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            wait_for(load, UNSTORED)
            time.sleep(seconds)
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, unlimited)
            wait_for(load, "")
            time.sleep(seconds)
        assert running.process.poll() is None
    check_answers(load, UNSTORED)
    check_nothing_lost(store, load)


SKEW = """
import os, time
from genco.serving import clock
hour = 3_600_000_000_000
wall = time.time_ns
clock.Clock.__init__.__defaults__ = (0, lambda: wall() - hour, time.monotonic_ns)
"""


def test_clock_set_back(pairs_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is killed, the wall clock set back by an hour, and it starts again: time goes on."""
    store = str(tmp_path / "store.db")
    running, loads = RunningService(pairs_run.path, store, tmp_path), []
    for skewed in (False, True):
        if skewed:
            (tmp_path / "skew").mkdir()
            (tmp_path / "skew" / "sitecustomize.py").write_text(SKEW)
            monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'skew'}:{Path(__file__).parents[2] / 'src'}")
        running.start()
        with under_load(running, products_of(pairs_run)) as load:
            wait_for(load, "", 30)
        loads.append(load)
        running.kill()
    running.client.close()
    for load in loads:
        check_answers(load)
        assert all(made["clicked"] for made in load.decided)  # none is late
    logged = check_nothing_lost(store, loads[0]) | check_nothing_lost(store, loads[1])
    before, after = ([logged[made["event_id"]].decided_at for made in load.decided] for load in loads)
    assert max(before) < min(after) < max(before) + 3_600_000_000


def test_a_damaged_model_is_refused_while_the_old_one_serves(pairs_run: RunFolder, tmp_path: Path) -> None:
    """Registered sound, damaged on disk, promoted under load; then the served run itself is damaged and goes on."""
    run, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(pairs_run.path, run)
    with RunningService(run, str(tmp_path / "store.db"), tmp_path) as running:
        version = running.client.get("/v1/models").json()["models"][0]["version"]
        with under_load(running, products_of(pairs_run)) as load:
            wait_for(load, "")
            shutil.copytree(run, other)
            damage(other)
            answer = running.client.post("/v1/models", json={"path": str(other)})
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model_unusable")
            damage(run)
            answer = running.client.post(f"/v1/models/{version}/promote")
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model_unusable")
            wait_for(load, "")
        assert running.client.get("/health/ready").json()["model_version"] == version
    check_answers(load)
    check_nothing_lost(str(tmp_path / "store.db"), load)


def damage(run: Path) -> None:
    """Change one byte in the middle of the reward model."""
    file = run / "reward_model.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


@durations
def test_catalogue_swapped_under_load(pairs_run: RunFolder, tmp_path: Path, seconds: float) -> None:
    """An element is blocked and approved again and again: each decision obeys the version it names."""
    store, products = str(tmp_path / "store.db"), products_of(pairs_run)
    elements = pairs_run.read_table("catalogue")
    blocked = str(elements.filter(elements["product_id"] == products[0])["element_id"][0])
    with RunningService(pairs_run.path, store, tmp_path) as running, under_load(running, products) as load:
        end, version = time.monotonic() + 2 * seconds, 0
        while time.monotonic() < end or version < 6 or version % 2:
            status = "approved" if version % 2 else "blocked"
            change = {"statuses": [{"element_id": blocked, "status": status}]}
            assert running.client.put("/v1/catalogue", json=change).status_code == 200
            version += 1
            wait_for(load, "", 3)
    check_answers(load)
    logged = check_nothing_lost(store, load)
    shown = Counter(logged[made["event_id"]].catalogue_version % 2 for made in load.decided)
    assert min(shown.values()) > 0 and len(shown) == 2
    for made in load.decided:
        row = logged[made["event_id"]]
        assert [slot["element_id"] for slot in made["slots"]] == json.loads(row.combination)
        assert row.catalogue_version % 2 == 0 or blocked not in json.loads(row.combination)
