"""Versions of the model: immutable run folders with checksums, and the history of which one is served.

A learned version is a run folder of its own beside the run it came from, `RUN.learned/VERSION`: every command reads it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, delete, insert, select

from genco.runtime.model_arrays import reward_model_arrays
from genco.runtime.reward_model import RewardModel
from genco.serving.errors import ApiError
from genco.serving.rollout import running
from genco.serving.tables import models, promotions
from genco.storage.runs import HELD_OUT_FILE, RunFolder

RUN, LEARNER = "run", "learner"
START, PROMOTE, ROLLBACK, ROLLOUT, LEARN = "start", "promote", "rollback", "rollout", "learn"
KEPT_VERSIONS = 20
KEPT_HISTORY = 10_000
EVIDENCE = "evidence"


@dataclass(frozen=True)
class ModelVersion:
    """origin: run or learner · parent: version of the run a learned one came from · trained_to: the service's decisions
    before this time are in the run's own training · served: whether it is now."""

    version: str
    origin: str
    path: str
    parent: str | None
    created_at: int
    trained_to: int | None = None
    served: bool = False

    @property
    def root(self) -> str:
        """Version of the run it stems from."""
        return self.parent or self.version


def register(connection: Connection, model: ModelVersion) -> None:
    """Add a version; one that is known already keeps its time."""
    if _find(connection, model.version) is None:
        values = {name: getattr(model, name) for name in models.c.keys()}  # noqa: SIM118 (not a mapping)
        connection.execute(insert(models).values(**values))


def promote(connection: Connection, version: str, why: str, now: int) -> None:
    """Note that `version` is served from now on."""
    connection.execute(insert(promotions).values(at=now, version=version, why=why))


def versions(engine: Engine) -> list[ModelVersion]:
    """All versions, newest first."""
    with engine.connect() as connection:
        current = _served_version(connection)
        found = connection.execute(select(models).order_by(models.c.created_at.desc(), models.c.version)).all()
    return [_version(row, current) for row in found]


def served(engine: Engine) -> ModelVersion | None:
    """The version that was promoted last."""
    return next((model for model in versions(engine) if model.served), None)


def version_named(engine: Engine, version: str) -> ModelVersion:
    """Raises `ApiError` 404."""
    with engine.connect() as connection:
        found = _find(connection, version)
    if found is None:
        raise ApiError(404, "unknown_model", f"No model {version!r} is registered.")
    return found


def version_before(engine: Engine, version: str) -> ModelVersion:
    """What `version`, which must be served now, took over from; what was rolled back is not gone back to.

    Raises `ApiError` 409.
    """
    with engine.connect() as connection:
        served_in_turn = stack_of(_history(connection))
        if not served_in_turn or served_in_turn[-1] != version:
            raise ApiError(409, "not_served", f"Model {version!r} is not served now.")
        for earlier in reversed(served_in_turn[:-1]):
            found = _find(connection, earlier) if earlier != version else None
            if found is not None:
                return found
    raise ApiError(409, "nothing_before", f"Nothing was served before model {version!r}, or it is kept no longer.")


def stack_of(history: Sequence[tuple[str, str]]) -> list[str]:
    """Versions that each took over from the one before it, the last one served. history: (version, why), oldest first.

    A rollback takes off what was served since its version was.
    """
    stack: list[str] = []
    for version, why in history:
        if why == ROLLBACK and version in stack:
            while stack[-1] != version:
                stack.pop()
        elif not stack or stack[-1] != version:
            stack.append(version)
    return stack


def save_learned(
    base: RunFolder, version: str, model: RewardModel, evidence: Mapping[str, NDArray[Any]], learned: Mapping[str, Any]
) -> Path:
    """Write a learned version: the run's files with another reward model, and the evidence it was made from."""
    folder = Path(f"{base.path}.learned") / version
    if folder.exists():
        return folder
    part = folder.with_name(f".{version}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(base.path, part, ignore=shutil.ignore_patterns("reward_model.*", HELD_OUT_FILE, ".*", "progress.*"))
    run = RunFolder(part, base.info)
    run.save_arrays("reward_model", *reward_model_arrays(model))
    run.save_arrays(EVIDENCE, dict(evidence), learned)
    os.replace(part, folder)
    return folder


def load_evidence(run: RunFolder) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Arrays and description that `save_learned` kept. Raises `CheckpointError`."""
    return run.load_arrays(EVIDENCE)


def forget_old(connection: Connection) -> list[Path]:
    """Drop learned versions but the newest, those in service, and those that something else took over from, so that it
    can be undone; returns the folders to remove once that is committed."""
    history = _history(connection)
    kept = {version for version, _ in history[-1:]}
    kept |= {before for (before, _), (_, why) in pairwise(history) if why != LEARN}
    under_way = running(connection)
    if under_way is not None:
        kept |= {under_way.started_from, under_way.candidate}
    learned = select(models).where(models.c.origin == LEARNER).order_by(models.c.created_at.desc())
    old = [row for row in connection.execute(learned).all()[KEPT_VERSIONS:] if row.version not in kept]
    if old:
        connection.execute(delete(models).where(models.c.version.in_([row.version for row in old])))
    return [Path(row.path) for row in old]


def _history(connection: Connection) -> list[tuple[str, str]]:
    """The last `KEPT_HISTORY` promotions as (version, why), oldest first."""
    newest = select(promotions.c.version, promotions.c.why).order_by(promotions.c.number.desc()).limit(KEPT_HISTORY)
    return [(version, why) for version, why in connection.execute(newest)][::-1]


def _find(connection: Connection, version: str) -> ModelVersion | None:
    row = connection.execute(select(models).where(models.c.version == version)).one_or_none()
    return None if row is None else _version(row, _served_version(connection))


def _version(row: Row[Any], served: str | None) -> ModelVersion:
    return ModelVersion(
        row.version, row.origin, row.path, row.parent, row.created_at, row.trained_to, row.version == served
    )


def _served_version(connection: Connection) -> str | None:
    newest = select(promotions.c.version).order_by(promotions.c.number.desc()).limit(1)
    return connection.execute(newest).scalar()
