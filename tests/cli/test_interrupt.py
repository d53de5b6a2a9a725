"""Ctrl-C and kill -9: nothing half written, and `--resume` goes on to the same bits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from tests.kits.command_line import genco, quick_config, start_genco, write_tiny

STEPS = 300
PARTS = ("reward_model.safetensors", "generator.safetensors")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupt")


@pytest.fixture(scope="module")
def whole(place: Path) -> dict[str, bytes]:
    """The run that nobody interrupted."""
    write_tiny(place / "data")
    finished = genco("train", *words(place, place / "whole"))
    assert finished.exit_code == 0, finished.output
    return {name: (place / "whole" / name).read_bytes() for name in PARTS}


def words(place: Path, out: Path) -> tuple[str | Path, ...]:
    return "--data", place / "data", "--out", out, "--config", quick_config(place, STEPS), "--seed", "7"


def communicate(process: Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def stop_when(process: Popen[str], ready: Callable[[], bool], how: signal.Signals) -> tuple[int, str]:
    while not ready():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.01)
    os.kill(process.pid, how)
    return communicate(process)


def test_ctrl_c_says_how_to_go_on(place: Path, whole: dict[str, bytes]) -> None:
    out = place / "stopped"
    process = start_genco("train", *words(place, out))
    code, errors = stop_when(process, (out / "progress.safetensors").exists, signal.SIGINT)
    assert code == 130
    last = errors.splitlines()[-1]
    assert last.startswith("genco: interrupted.")
    assert f"--out {out} --resume" in last and "--seed 7" in last
    assert "Traceback" not in errors
    assert not (out / "generator.safetensors").exists()
    refused = genco("generate", "--run", out, "--product", "p00001")
    assert (refused.exit_code, "--resume" in refused.stderr) == (1, True)
    resumed = genco("train", "--data", place / "data", "--out", out, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert {name: (out / name).read_bytes() for name in PARTS} == whole
    assert not list(out.glob("progress*")) and not list(out.glob(".*"))


def test_kill_then_resume_gives_the_same_bits(place: Path, whole: dict[str, bytes]) -> None:
    out = place / "killed"
    for checkpoint in ("run.toml", "progress.safetensors"):
        process = start_genco("train", *words(place, out), "--resume")
        code, _ = stop_when(process, (out / checkpoint).exists, signal.SIGKILL)
        assert code == -signal.SIGKILL
    resumed = genco("train", *words(place, out), "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert {name: (out / name).read_bytes() for name in PARTS} == whole


def test_ctrl_c_while_simulating_leaves_nothing(tmp_path: Path) -> None:
    process = start_genco("simulate", "--scenario", "pairs_sparse", "--out", tmp_path / "data")
    code, errors = stop_when(process, lambda: any(tmp_path.glob(".*/impressions/*")), signal.SIGINT)
    assert (code, errors.splitlines()[-1]) == (130, "genco: interrupted. Nothing was written.")
    assert list(tmp_path.iterdir()) == []
