"""Retraining as a job: on the log, in another process, one at a time, and its failures are told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from tests.kits.command_line import genco
from tests.kits.retrainable import fill_log, quick_run
from tests.kits.running_service import InProcess, error_code
from tests.kits.waiting import until

from genco.errors import CheckpointError
from genco.policies.optimizer import Optimizer, load
from genco.protocols import Truth
from genco.serving.jobs import Jobs
from genco.serving.retraining import retrain
from genco.serving.store import open_store
from genco.serving.tables import jobs
from genco.storage.runs import RunFolder

QUICK = {"guard_every_seconds": 0, "reward_window_seconds": 1.0}


@pytest.fixture
def run(pairs_run: RunFolder, tmp_path: Path) -> Path:
    return quick_run(pairs_run.path, tmp_path / "run")


def finished(running: InProcess) -> dict[str, Any]:
    """The newest job once it has ended."""

    def newest() -> dict[str, Any] | None:
        job: dict[str, Any] = running.client.get("/v1/jobs").json()["jobs"][0]
        return job if job["state"] != "running" else None

    found = until(newest, "The job should end", 600)
    assert found is not None
    return found


def test_retraining_makes_a_version_known_and_rolls_it_out(
    run: Path, pairs_optimizer: Optimizer, pairs_truth: Truth, tmp_path: Path
) -> None:
    with InProcess(run, str(tmp_path / "s.db"), **QUICK) as running:
        fill_log(running.service, pairs_optimizer, tuple(pairs_truth.context_values))
        before = running.service.live.version.version
        started = running.client.post("/v1/models/retrain", json={"then": "stage"})
        assert started.status_code == 202, started.text
        second = running.client.post("/v1/models/retrain")
        assert (second.status_code, error_code(second)) == (409, "job_running")
        job = finished(running)
        assert job["state"] == "done", job
        assert job["number"] == started.json()["job"] and job["progress"]
        result = job["result"]
        assert (
            result["rows"] == 1_500
            and result["continued"]
            and load(result["path"]).policy.version == result["version"] != before
        )
        shown = running.client.get("/v1/models").json()
        assert shown["rollout"]["started_from"] == result["version"]
        (entry,) = (model for model in shown["models"] if model["version"] == result["version"])
        assert entry["trained_to"] == result["until"]
        assert running.service.live.version.version == before  # it serves its first share only
        assert not list(Path(result["path"]).parent.glob(".log-*"))


def test_a_log_with_fewer_contexts_is_trained_from_scratch(
    run: Path, pairs_optimizer: Optimizer, pairs_truth: Truth, tmp_path: Path
) -> None:
    with InProcess(run, str(tmp_path / "s.db"), **QUICK) as running:
        fill_log(running.service, pairs_optimizer, tuple(pairs_truth.context_values[:1]))
        until = running.service.clock.now()
        done = retrain(running.service.engine, tmp_path / "new", until)
        with pytest.raises(CheckpointError, match="exists"):
            retrain(running.service.engine, tmp_path / "new", until)
        figures = json.loads((tmp_path / "new" / "held_out.json").read_text())
        assert figures["against"]["version"] == running.service.model.version
        gain = figures["against"]["log_loss"] - figures["log_loss"]
        assert figures["against"]["value"] == pytest.approx(gain, abs=1e-9)
        assert done.rows == 1_500 and not done.continued and load(done.path).catalogue.num_products == 40


def test_a_failure_says_why_and_raises_an_alarm(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db"), **QUICK) as running:
        assert running.client.post("/v1/models/retrain").status_code == 202
        job = finished(running)
        assert job["state"] == "failed" and "nothing to train on" in job["error"]
        (alarm,) = running.client.get("/v1/alarms").json()["alarms"]
        assert alarm["name"] == "retraining_failed" and alarm["detail"]["reason"] == job["error"]


def test_what_a_killed_service_left_has_failed_and_a_stopped_one_ends_its_job(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db"), **QUICK) as running:
        left = {"kind": "retrain", "state": "running", "started_at": 1, "progress": "", "result": "{}"}
        running.service.writer.submit(lambda store: store.execute(insert(jobs).values(**left))).result()
        again = Jobs(running.service)
        again.start()
        assert [(job.state, job.error) for job in again.list()] == [("failed", "the service stopped")]
        again.retrain("register", "test")
        started = time.monotonic()
        again.stop()
        assert time.monotonic() - started < 60
        assert [job.error for job in again.list()] == ["the service stopped"] * 2


def test_the_serving_process_needs_no_torch() -> None:
    code = "import sys, genco.serving.jobs, genco.serving.retraining; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_needs_a_served_run(tmp_path: Path) -> None:
    asked = ("retrain", "--store", tmp_path / "empty.db", "--out", tmp_path / "run")
    missing = genco(*asked)
    assert missing.exit_code == 1 and "A store that exists is expected" in missing.output
    open_store(str(tmp_path / "empty.db")).dispose()
    done = genco(*asked)
    assert done.exit_code == 1 and "never served a run" in done.output


def test_older_data_that_are_none_are_told(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db"), **QUICK) as running:
        assert running.client.post("/v1/models/retrain", json={"data": str(tmp_path)}).status_code == 202
        job = finished(running)
    assert job["state"] == "failed" and "dataset.toml is expected" in job["error"]
