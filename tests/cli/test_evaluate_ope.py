"""`genco evaluate --ope`: a table for people, one JSON object for programs, and a refusal that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kits.command_line import assert_refused, genco, genco_json, quick_config, write_tiny

KEYS = {"value", "low", "high", "difference_low", "difference_high", "effective_sample_size", "verdict"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ope")


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    data = write_tiny(place / "data")
    genco_json("train", "--data", data, "--out", place / "run", "--config", quick_config(place))
    return place / "run"


@pytest.fixture(scope="module")
def log(place: Path) -> Path:
    """Another log of the same world, long enough for its 36 combinations."""
    return write_tiny(place / "log", rows=30_000)


def test_json(run: Path, log: Path) -> None:
    found = genco_json("evaluate", "--ope", "--run", run, "--data", log, "--rows", "25000", "--seed", "3")
    assert found["verdict"] in ("better", "worse", "cannot tell") and found["verdict_by"] == "doubly_robust"
    assert (found["rows_in_log"], found["rows_evaluated"]) == (30_000, 25_000)
    for name in ("ips", "snips", "clipped_ips", "direct_method", "doubly_robust", "switch_dr"):
        assert set(found[name]) == KEYS
        assert found[name]["low"] <= found[f"{name}.value"] <= found[name]["high"]
        assert found[f"{name}.effective_sample_size"] >= 400
    assert found["pseudo_inverse"].keys() >= KEYS | {"interaction_share"}


def test_text(run: Path, log: Path) -> None:
    result = genco("evaluate", "--ope", "--run", run, "--data", log)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("verdict against the logging policy: ")
    assert [line.split()[0] for line in lines if " to " in line and line.startswith(("ips", "snips", "doubly"))] == [
        "ips",
        "snips",
        "doubly_robust",
    ]
    assert "evaluate: " in result.stderr


def test_a_log_that_is_too_short_is_refused(run: Path, place: Path) -> None:
    refused = genco("evaluate", "--ope", "--run", run, "--data", place / "data")
    assert_refused(refused, "effective sample size should be at least 400", "impressions")
