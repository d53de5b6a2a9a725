"""`kill -9` under load: what was acknowledged is there, once, and the server is back within three seconds."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.kits.running_service import RunningService
from tests.kits.service_load import Load, check_nothing_lost
from tests.kits.waiting import until

from genco.storage.runs import RunFolder

RESTART_CPU_SECONDS = 3.0  # of processor time: what a machine with nothing else to do would take


def cpu_seconds(process: int) -> float:
    words = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def check_kills(run: RunFolder, store: str, folder: Path, kills: int) -> float:
    """Largest processor time of a start, in seconds."""
    products = [str(run.read_table("products")["product_id"][0])]
    running, load = RunningService(run.path, store, folder), Load(until_killed=True)
    wall, processor = [], []
    for number in range(kills):
        started = time.perf_counter()
        running.start()
        wall.append(time.perf_counter() - started)
        processor.append(cpu_seconds(running.process.pid))
        before = len(load.decided)
        threads = [threading.Thread(target=load.call, args=(running, products)) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda load=load, before=before: len(load.decided) > before, "A decision should be acknowledged")
        threads[0].join(0.5 + 0.13 * (number % 7))
        running.kill()
        for thread in threads:
            thread.join()
    running.client.close()
    check_nothing_lost(store, load)
    assert load.other == [] and len(load.stored) == len(load.decided)
    clicked = sum(made["clicked"] for made in load.decided)
    print(f"\n{kills} kills: {len(load.decided):,} decisions, {clicked:,} clicks acknowledged, none lost or doubled")
    print(f"start, processor time: median {np.median(processor):.2f} s, largest {max(processor):.2f} s")
    print(f"start, wall clock: median {np.median(wall):.2f} s, largest {max(wall):.2f} s")
    return max(processor)


def test_two_kills(pairs_run: RunFolder, store_url: str, tmp_path: Path) -> None:
    check_kills(pairs_run, store_url, tmp_path, 2)


@pytest.mark.soak
def test_twenty_kills(pairs_run: RunFolder, store_url: str, tmp_path: Path) -> None:
    assert check_kills(pairs_run, store_url, tmp_path, 20) < RESTART_CPU_SECONDS
