"""Registered versions as arms: loaded from their folders, on the catalogue as it is, checked and warmed up."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from genco.errors import CheckpointError
from genco.policies.optimizer import Optimizer, load
from genco.serving import registry
from genco.serving.additions import grown
from genco.serving.arms import Arm, warmed_arm
from genco.serving.errors import ApiError
from genco.serving.governed import CatalogueState
from genco.serving.registry import ModelVersion

Check = Callable[[Optimizer, Optimizer], None]  # raises where the first may not become the second


def loaded(path: str) -> Optimizer:
    """The run at `path`. Raises `ApiError` 422 where it is damaged."""
    try:
        return load(path)
    except (CheckpointError, OSError, ValueError) as error:  # a path may be none
        raise ApiError(422, "model_unusable", str(error)) from error


def root_of(engine: Engine, entry: ModelVersion, *at_hand: tuple[ModelVersion, Optimizer]) -> Optimizer:
    """The run that a version stems from. at_hand: entries with what is, or is learned from, their run.

    Raises `ApiError`.
    """
    for version, optimizer in at_hand:
        if version.version == entry.root:
            return optimizer
    return loaded(registry.version_named(engine, entry.root).path)


def arm_of(version: ModelVersion, base: Optimizer, optimizer: Optimizer, state: CatalogueState) -> Arm:
    """The version on a state of the catalogue, warmed up. base, optimizer: as loaded."""
    full_base = full = grown(base, state.additions)
    if optimizer is not base:
        full = grown(optimizer, state.additions)
    return warmed_arm(version, (base, optimizer), full_base, full, state)


def arm_named(engine: Engine, version: str, control: Arm, state: CatalogueState) -> Arm:
    """A registered version beside `control`, whose slots it must have. Raises `ApiError` 404, 422."""
    entry = registry.version_named(engine, version)
    optimizer, expected = loaded(entry.path), control.base.slot_names
    if optimizer.slot_names != expected:
        raise ApiError(422, "model_unusable", f"The slots should be {expected}. Found {optimizer.slot_names}.")
    base = root_of(engine, entry, (entry, optimizer), (control.version, control.loaded[0]))
    return arm_of(entry, base, optimizer, state)


def arm_again(arm: Arm, before: CatalogueState, state: CatalogueState, check: Check) -> Arm:
    """The arm in another state of the catalogue than `before`."""
    base, optimizer = arm.base, arm.optimizer
    if state.additions is not before.additions:
        base, optimizer = (grown(each, state.additions) for each in arm.loaded)
    made = warmed_arm(arm.version, arm.loaded, base, optimizer, state)
    check(arm.model.optimizer, made.model.optimizer)
    return made
