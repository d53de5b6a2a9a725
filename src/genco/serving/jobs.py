"""Long work beside the requests: one job at a time, in a process of its own, its state in the store."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from genco.errors import GencoError
from genco.serving.alarms import RETRAINING_FAILED, raise_alarm
from genco.serving.audit import note
from genco.serving.decider import ONLINE
from genco.serving.errors import ApiError
from genco.serving.rollout import Plan
from genco.serving.service import Service
from genco.serving.tables import jobs

log = logging.getLogger(__name__)
RETRAIN = "retrain"
RUNNING, DONE, FAILED = "running", "done", "failed"
REGISTER, STAGE = "register", "stage"
STOPPED = "the service stopped"
LISTED = 100
SUFFIX = ".retrained"
_PROGRAM = "import os; os.nice(10); from genco.cli.main import app; app()"


@dataclass(frozen=True)
class Job:
    """progress: what it said last · error: why it failed · result: JSON object of what came of it, with `then`."""

    number: int
    kind: str
    state: str
    started_at: int
    ended_at: int | None
    progress: str
    error: str | None
    result: dict[str, Any]


class Jobs:
    """Starts jobs, one at a time. Use `start` and `stop`; what a stopped service left behind has failed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        self._stopping = False
        left = jobs.c.state == RUNNING
        ended = {"state": FAILED, "error": STOPPED, "ended_at": self._service.clock.now()}
        self._service.writer.submit(lambda store: store.execute(update(jobs).where(left).values(**ended))).result()

    def stop(self) -> None:
        """End the job under way."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.terminate()
        if self._thread is not None:
            self._thread.join()

    def retrain(self, then: str, actor: str, older: str | None = None) -> int:
        """Begin to train on the log; the run is registered, and rolled out in stages where `then` says so. older: path
        of a dataset folder to train on as well.

        Returns the job's number. Raises `ApiError` 409 while another job runs, and for a rollout unless the mode is
        online.
        """
        mode = self._service.config.mode
        if then == STAGE and mode != ONLINE:
            raise ApiError(409, "not_online", f"Only in mode online do two models answer. Found {mode}.")
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise ApiError(409, "job_running", "Another job is running.")
            now = self._service.clock.now()

            def begin(connection: Connection) -> int:
                values = {"kind": RETRAIN, "state": RUNNING, "started_at": now, "progress": "", "result": "{}"}
                number = int(connection.execute(insert(jobs).values(**values).returning(jobs.c.number)).scalar_one())
                note(connection, now, actor, "retrain", {"job": number, "then": then, "with": older})
                return number

            number: int = self._service.writer.submit(begin).result()
            self._thread = threading.Thread(target=self._run, args=(number, then, older), name="genco-job", daemon=True)
            self._thread.start()
        return number

    def list(self) -> list[Job]:
        """The last jobs, newest first."""
        with self._service.engine.connect() as connection:
            rows = connection.execute(select(jobs).order_by(jobs.c.number.desc()).limit(LISTED)).all()
        return [_job(row) for row in rows]

    def _run(self, number: int, then: str, older: str | None) -> None:
        try:
            found = self._trained(number, older)
            version = self._service.live.register(Path(found["path"]), found["until"]).version
            found |= {"version": version, "then": then}
            if then == STAGE:
                found["rollout"] = self._service.live.begin_rollout(version, Plan()).number
            self._end(number, {"state": DONE, "result": json.dumps(found)})
        except Exception as error:  # the end of a thread: a job that fails is told so, and the server goes on
            log.exception("retraining failed")
            self._end(number, {"state": FAILED, "error": str(error)})

    def _trained(self, number: int, older: str | None) -> dict[str, Any]:
        """Train in a process of its own; what it printed. Raises `GencoError` with the reason where it failed."""
        service = self._service
        base = service.live.serving.control.base.run.path.resolve()
        folder = base.parent if base.parent.name.endswith(SUFFIX) else Path(f"{base}{SUFFIX}")
        options = ["--out", str(folder / f"job-{number}"), "--overwrite", "--json"]
        options += ["--window", str(service.config.reward_window_seconds)]
        options += ["--decisions-per-actor", str(service.limits.most)]
        options += ["--decisions-per-actor-and-product", str(service.limits.per_product)]
        options += ["--actor-window", str(service.config.actor_window_seconds)]
        options += ["--forged-window", str(service.config.forged_window_hours)]
        options += [] if older is None else [f"--with={older}"]
        store = service.engine.url.render_as_string(hide_password=False)
        with self._lock:
            if self._stopping:
                raise GencoError(STOPPED)
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, "retrain", *options],
                env={**os.environ, "GENCO_STORE": store},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        with self._process as process:
            try:
                printed, said = self._follow(number, process)
            finally:
                process.kill()
        if self._stopping:
            raise GencoError(STOPPED)
        if process.returncode:
            raise GencoError(said.removeprefix("genco: error: ") or f"the process ended with {process.returncode}")
        found: dict[str, Any] = json.loads(printed)
        return found

    def _follow(self, number: int, process: subprocess.Popen[str]) -> tuple[str, str]:
        """Note every line of progress until the process ends; what it printed, and its last line of progress."""
        assert process.stderr is not None and process.stdout is not None
        said = ""
        for line in process.stderr:
            said = line.strip() or said
            self._tell(number, {"progress": said})
        printed = process.stdout.read()
        process.wait()
        return printed, said

    def _end(self, number: int, values: dict[str, Any]) -> None:
        now = self._service.clock.now()

        def write(connection: Connection) -> None:
            connection.execute(update(jobs).where(jobs.c.number == number).values(ended_at=now, **values))
            if values["state"] == FAILED:
                raise_alarm(connection, RETRAINING_FAILED, {"job": number, "reason": values["error"]}, now)

        self._service.writer.submit(write).result()

    def _tell(self, number: int, values: dict[str, Any]) -> None:
        self._service.writer.submit(
            lambda store: store.execute(update(jobs).where(jobs.c.number == number).values(**values))
        ).result()


def _job(row: Row[Any]) -> Job:
    return Job(
        row.number, row.kind, row.state, row.started_at, row.ended_at, row.progress, row.error, json.loads(row.result)
    )
