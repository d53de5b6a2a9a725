"""What is in service: the version served, and beside it the candidate of a staged rollout. Swapped in whole."""

from __future__ import annotations

from dataclasses import dataclass

from genco.data.catalogue import APPROVED
from genco.policies.optimizer import Optimizer
from genco.serving.errors import ApiError
from genco.serving.event_ids import EventIds
from genco.serving.governed import CatalogueState, governed
from genco.serving.registry import ModelVersion
from genco.serving.rollout import CANDIDATE, CONTROL, Rollout
from genco.serving.served_model import ServedModel


@dataclass(frozen=True)
class Arm:
    """version: its entry in the registry · base: the run it stems from · optimizer: the version; both with what was
    added to the catalogue · model: as it answers, under controls · loaded: run and version as they were loaded."""

    version: ModelVersion
    loaded: tuple[Optimizer, Optimizer]
    base: Optimizer
    optimizer: Optimizer
    model: ServedModel


def warmed_arm(
    version: ModelVersion,
    loaded: tuple[Optimizer, Optimizer],
    base: Optimizer,
    optimizer: Optimizer,
    state: CatalogueState,
) -> Arm:
    """The arm as it answers in a state of the catalogue. base, optimizer: with the state's additions."""
    withheld = frozenset(name for name, status in state.controls.statuses.items() if status != APPROVED)
    withheld -= optimizer.catalogue.element_rows.keys()
    model = ServedModel(governed(optimizer, state.controls), state.version, withheld)
    model.warm_up()
    return Arm(version, loaded, base, optimizer, model)


def require_what_is_served(candidate: Optimizer, control: Optimizer) -> None:
    """Raise `ApiError` 422 unless the candidate can answer whatever the served version can."""
    ours, theirs = candidate.catalogue, control.catalogue
    pairs = (
        ("product", ours.product_rows, theirs.product_rows),
        ("element", ours.element_rows, theirs.element_rows),
        ("context column", candidate.meta.context, control.meta.context),
    )
    for what, have, wanted in pairs:
        missing = next((name for name in wanted if name not in have), None)
        if missing is not None:
            raise ApiError(422, "model_unusable", f"The run lacks the {what} {missing!r}, which is served.")


@dataclass(frozen=True)
class Serving:
    """control: answers everybody but the candidate's share · candidate, rollout: both or neither."""

    control: Arm
    candidate: Arm | None = None
    rollout: Rollout | None = None

    def arm(self, name: str) -> Arm | None:
        """The arm of this name, None where it is not there."""
        return self.control if name == CONTROL else self.candidate

    def arm_of(self, ids: EventIds, unit: str) -> str | None:
        """Which arm answers the unit; None while nothing is rolled out."""
        if self.rollout is None:
            return None
        return CANDIDATE if ids.place(f"rollout {self.rollout.number}", unit) < self.rollout.share else CONTROL

    def model(self, arm: str | None) -> ServedModel:
        """The model that answers an arm."""
        return self.candidate.model if arm == CANDIDATE and self.candidate is not None else self.control.model

    def model_named(self, version: str) -> ServedModel | None:
        """The model of this version, where it is in service."""
        arms = (arm for arm in (self.control, self.candidate) if arm is not None)
        return next((arm.model for arm in arms if arm.model.version == version), None)
