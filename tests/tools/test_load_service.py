"""The load tool: what it prints, and that it loads a real server, in a second."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from genco.storage.runs import RunFolder

TOOL = Path(__file__).resolve().parents[2] / "tools" / "load_service.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("load_service", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_summary_by_hand(tool: ModuleType) -> None:
    assert tool.summary([0.001] * 99 + [0.1]) == {"median_ms": 1.0, "p99_ms": 1.99, "max_ms": 100.0}


@pytest.mark.soak
def test_one_store(pairs_run: RunFolder, tmp_path: Path) -> None:
    words = ["--run", pairs_run.path, "--store", tmp_path / "load.db", "--out", tmp_path / "load.json"]
    words += ["--seconds", "1", "--warm-up", "1", "--rate", "50", "--events", "2000"]
    done = subprocess.run([sys.executable, TOOL, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "load.json").read_text())
    assert result["store"] == "sqlite, process" and result["events"] == {
        **result["events"],
        "rows": 2000,
        "accepted": 2000,
    }
    assert result["closed_loop"]["reasons"].keys() == {""}
    assert "| median, p99 at 50/s (ms) |" in done.stdout and "| event rows lost | 0 |" in done.stdout
