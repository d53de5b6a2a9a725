"""Models: versions and where they come from, what is served, the rollout under way, alarms and jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, select

from genco.errors import CheckpointError
from genco.evaluation.held_out_figures import HeldOutFigures
from genco.serving import registry
from genco.serving.alarms import Alarm, open_alarms
from genco.serving.errors import ApiError
from genco.serving.guard import Guard
from genco.serving.jobs import Job, Jobs
from genco.serving.registry import EVIDENCE, RUN, ModelVersion
from genco.serving.rollout import CANDIDATE, CONTROL
from genco.serving.routes.models import rollout_out
from genco.serving.schemas import RolloutOut
from genco.serving.tables import promotions, rollouts
from genco.storage.runs import HELD_OUT_FILE, RunFolder
from genco.studio.studio import Studio

SHOWN_HISTORY, SHOWN_JOBS = 20, 5


@dataclass(frozen=True)
class Against:
    """How a version served before predicts the same rows. value, low, high: loss that the run saves, in nats an
    impression, with its 95% interval."""

    version: str
    log_loss: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class HeldOut(HeldOutFigures):
    """What the rows held out from a run's training say of it, as its folder keeps it."""

    against: Against | None = None


_HELD_OUT: TypeAdapter[HeldOut] = TypeAdapter(HeldOut)


@dataclass(frozen=True)
class Version:
    """One version. arm: control or candidate where it is in service · parent: version of the run it was learned from ·
    num_rows: impressions its run was trained on; of a learned one, decisions since · loss: mean log loss of the run's
    training rows, not comparable between logs · held_out: None of learned versions, and where no row was held out ·
    fault: why its folder cannot be read, "" where it can."""

    version: str
    origin: str
    arm: str | None
    parent: str | None
    path: str
    created_at: int
    trained_to: int | None
    num_rows: int | None
    loss: float | None
    held_out: HeldOut | None
    fault: str


@dataclass(frozen=True)
class Promotion:
    """A version that was served from `at` on. why: start, promote, rollback, rollout or learn."""

    at: int
    version: str
    why: str


@dataclass(frozen=True)
class PastRollout:
    """A rollout that has ended. share: percent of actors it reached."""

    number: int
    started_from: str
    candidate: str
    share: float
    started_at: int
    ended_at: int
    outcome: str


@dataclass(frozen=True)
class Models:
    """before: what a rollback of the version served would serve, None = nothing · history: newest first · past:
    rollouts that have ended, newest first."""

    mode: str
    learning: bool
    served: str
    before: str | None
    rollout: RolloutOut | None
    alarms: tuple[Alarm, ...]
    versions: tuple[Version, ...]
    history: tuple[Promotion, ...]
    past: tuple[PastRollout, ...]
    jobs: tuple[Job, ...]


def models_page(studio: Studio, guard: Guard, jobs: Jobs) -> Models:
    """Everything about models as it is now."""
    service, serving = studio.service, studio.service.live.serving
    arms = {arm.version.version: name for name in (CONTROL, CANDIDATE) if (arm := serving.arm(name)) is not None}
    evidence = None if serving.rollout is None else guard.evidence(serving.rollout)
    served = serving.control.version.version
    with service.engine.connect() as connection:
        history, past, alarms = _history(connection), _past(connection), open_alarms(connection)
    return Models(
        mode=service.config.mode,
        learning=service.live.learning,
        served=served,
        before=_before(studio, served),
        rollout=None if serving.rollout is None else rollout_out(serving, evidence),
        alarms=tuple(alarms),
        versions=tuple(_version(entry, arms.get(entry.version)) for entry in registry.versions(service.engine)),
        history=history,
        past=past,
        jobs=tuple(jobs.list()[:SHOWN_JOBS]),
    )


def _before(studio: Studio, version: str) -> str | None:
    try:
        return registry.version_before(studio.service.engine, version).version
    except ApiError:
        return None


def _version(entry: ModelVersion, arm: str | None) -> Version:
    num_rows, loss, held_out, fault = None, None, None, ""
    try:
        run = RunFolder.open(Path(entry.path))
        measured = run.info["measured"]["reward_model"]
        num_rows, loss = measured["train_rows"], -measured["log_likelihood"] / max(measured["train_rows"], 1)
        if entry.origin != RUN:
            num_rows = run.read_json(f"{EVIDENCE}.json")["num_rows"]
        elif (run.path / HELD_OUT_FILE).exists():
            held_out = _HELD_OUT.validate_python(run.read_json(HELD_OUT_FILE))
    except ValidationError as error:
        fault = f"{HELD_OUT_FILE} should hold the figures of held-out rows: {error.errors()[0]['msg']}."
    except CheckpointError as error:
        fault = str(error)
    return Version(
        entry.version,
        entry.origin,
        arm,
        entry.parent,
        entry.path,
        entry.created_at,
        entry.trained_to,
        num_rows,
        loss if entry.origin == RUN else None,
        held_out,
        fault,
    )


def _history(connection: Connection) -> tuple[Promotion, ...]:
    query = select(promotions).order_by(promotions.c.number.desc()).limit(SHOWN_HISTORY)
    return tuple(Promotion(row.at, row.version, row.why) for row in connection.execute(query))


def _past(connection: Connection) -> tuple[PastRollout, ...]:
    ended = select(rollouts).where(rollouts.c.ended_at.is_not(None))
    rows = connection.execute(ended.order_by(rollouts.c.number.desc()).limit(SHOWN_HISTORY))
    return tuple(
        PastRollout(
            row.number,
            row.started_from,
            row.candidate,
            float(json.loads(row.plan)["stages"][row.stage]),
            row.started_at,
            row.ended_at,
            row.outcome or "",
        )
        for row in rows
    )
