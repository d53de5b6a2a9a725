from __future__ import annotations

import os
from typing import Any

import pytest

from genco.benchmarks.own_process import call_apart
from genco.benchmarks.suite import Progress
from genco.benchmarks.worlds import train_world
from genco.errors import GencoError


def test_a_refusal_comes_back_with_its_message(tmp_path: Any) -> None:
    asked = {"data": str(tmp_path / "none"), "out": str(tmp_path / "run"), "config": {}}
    with pytest.raises(GencoError, match="none"):
        call_apart(train_world, asked, lambda stage, values: None)
    assert not (tmp_path / "run").exists()


def child(num: int, progress: Progress) -> dict[str, Any]:
    print("a library that prints")
    progress("counting", {"of": num})
    return {"process": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS"), "num": num}


def test_result_progress_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    monkeypatch.setattr(child, "__module__", "test_own_process")
    heard: list[tuple[str, dict[str, float]]] = []
    result = call_apart(child, {"num": 3}, lambda stage, values: heard.append((stage, values)), threads=1)
    assert result["num"] == 3 and result["threads"] == "1" and result["process"] != os.getpid()
    assert heard == [("counting", {"of": 3})]
