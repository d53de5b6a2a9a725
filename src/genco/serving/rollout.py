"""A staged rollout: one version beside the one served, for a growing share of actors. Kept in the store.

A unit (an actor's hash, or the event's id where no actor is named) has a place in [0, 1) that depends on the rollout's
number alone, so it stays in its arm while the share grows, and every rollout begins with other actors.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from genco.serving.errors import ApiError
from genco.serving.tables import rollouts

CONTROL: Final = "control"
CANDIDATE: Final = "candidate"
STAGES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0)
FINISHED, BY_HAND = "finished", "rolled back by hand"


@dataclass(frozen=True)
class Plan:
    """stages: percent of units with the candidate, growing, the last 100 · minutes, min_decisions: how long, and how
    many decisions of the candidate, a stage takes at least. Raises `ApiError` 422 for other stages."""

    stages: tuple[float, ...] = STAGES
    minutes: float = 60.0
    min_decisions: int = 1_000

    def __post_init__(self) -> None:
        ends = (0.0, *self.stages)
        if not self.stages or ends[-1] != 100 or not all(low < high for low, high in pairwise(ends)):
            raise ApiError(
                422, "invalid_body", f"stages: percent above 0 that grow up to 100 are expected. Found {self.stages}."
            )


@dataclass(frozen=True)
class Rollout:
    """A rollout under way. started_from: the version it began with · candidate: what was learned from it last · stage:
    place in the plan's stages · stage_at: when it began."""

    number: int
    started_from: str
    candidate: str
    plan: Plan
    stage: int
    started_at: int
    stage_at: int

    @property
    def share(self) -> float:
        """Of units that the candidate answers."""
        return self.plan.stages[self.stage] / 100

    def is_due(self, now: int, num_decisions: int) -> bool:
        """Whether the stage has lasted as the plan asks. num_decisions: of the candidate in this stage."""
        lasted = now - self.stage_at >= self.plan.minutes * 60e6
        return lasted and num_decisions >= self.plan.min_decisions


def running(connection: Connection) -> Rollout | None:
    """The rollout under way."""
    row = connection.execute(select(rollouts).where(rollouts.c.ended_at.is_(None))).one_or_none()
    return None if row is None else _rollout(row)


def begin(connection: Connection, version: str, plan: Plan, now: int) -> Rollout:
    """Start a rollout of `version` at its first stage. Raises `ApiError` 409 where one is under way."""
    if running(connection) is not None:
        raise ApiError(409, "rollout_running", "Another version is being rolled out: roll it back or promote it first.")
    values = {"started_from": version, "candidate": version, "stage": 0, "started_at": now, "stage_at": now}
    connection.execute(insert(rollouts).values(plan=json.dumps(asdict(plan)), **values))
    begun = running(connection)
    assert begun is not None
    return begun


def enter(connection: Connection, number: int, stage: int, now: int) -> None:
    """Note that the rollout is in `stage` from now on."""
    _change(connection, number, stage=stage, stage_at=now)


def replace_candidate(connection: Connection, number: int, version: str) -> None:
    """Note that the candidate is `version` from now on."""
    _change(connection, number, candidate=version)


def end(connection: Connection, number: int, outcome: str, now: int) -> None:
    """Note how it ended."""
    _change(connection, number, ended_at=now, outcome=outcome)


def _change(connection: Connection, number: int, **values: Any) -> None:
    connection.execute(update(rollouts).where(rollouts.c.number == number).values(**values))


def _rollout(row: Row[Any]) -> Rollout:
    plan = json.loads(row.plan)
    return Rollout(
        row.number,
        row.started_from,
        row.candidate,
        Plan(tuple(plan["stages"]), plan["minutes"], plan["min_decisions"]),
        row.stage,
        row.started_at,
        row.stage_at,
    )
