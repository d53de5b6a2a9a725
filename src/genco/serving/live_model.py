"""What is in service now, on the current state of the catalogue, and how it changes.

Changes are made one at a time, in the calling thread, while requests go on with the old model; the new one is loaded,
checked and warmed up before it takes over, and its promotion is in the store before that.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from genco.errors import CheckpointError
from genco.policies.optimizer import Optimizer, load, model_version
from genco.runtime.reward_model import RewardModel
from genco.serving import registry, rollout
from genco.serving.additions import Additions
from genco.serving.additions_store import read_additions
from genco.serving.alarms import CANDIDATE_UNUSABLE, raise_alarm
from genco.serving.arm_loading import arm_again, arm_named, arm_of, loaded, root_of
from genco.serving.arms import Arm, Serving, require_what_is_served
from genco.serving.clock import Clock
from genco.serving.control_store import changes_in_force
from genco.serving.errors import ApiError
from genco.serving.governed import CatalogueState, ControlState, governed, state_of
from genco.serving.metrics import Metrics
from genco.serving.registry import ModelVersion
from genco.serving.rollout import CANDIDATE, CONTROL, Plan, Rollout
from genco.serving.served_model import ServedModel
from genco.serving.store import put_setting, setting
from genco.serving.writer import Writer

log = logging.getLogger(__name__)
CATALOGUE_VERSION, LEARNING = "catalogue_version", "learning"
ON, OFF = "on", "off"
UNUSABLE = "the candidate cannot be loaded"

T = TypeVar("T")
Also = Callable[[Connection, str], None]  # given the version that is served then


def nothing(_: Connection, __: str) -> None:
    """What an act does beside itself unless it is told."""


class LiveModel:
    """serving: what answers requests · learning: whether learned versions of what is served may take over · set_aside:
    whether the run, new to the store, was only registered, as another version is being rolled out.

    Raises `CheckpointError` where the run cannot be used.
    """

    def __init__(self, run: Path, engine: Engine, writer: Writer, clock: Clock, metrics: Metrics) -> None:
        self._engine, self._writer, self._clock, self._metrics = engine, writer, clock, metrics
        self._lock, self._state = threading.RLock(), CatalogueState()
        self._read_state()
        self.serving = Serving(self._last_served(run.resolve()))
        self._resume_rollout()

    @property
    def current(self) -> ServedModel:
        """The model of the version that is served."""
        return self.serving.control.model

    @property
    def version(self) -> ModelVersion:
        """The version that is served."""
        return self.serving.control.version

    def _last_served(self, path: Path) -> Arm:
        """The version served last; the run where it is new to the store and no rollout is under way, or where that
        version cannot be loaded."""
        run = load(path)
        is_new = all(entry.version != run.policy.version for entry in registry.versions(self._engine))
        own = self._registered(path, run)
        last = registry.served(self._engine)
        self.set_aside = is_new and last is not None and self._under_way() is not None
        if last is not None and (self.set_aside or not is_new):
            try:
                optimizer = run if last.version == own.version else load(last.path)
                base = root_of(self._engine, last, (own, run), (last, optimizer))
                return arm_of(last, base, optimizer, self._state)
            except (CheckpointError, ApiError):
                log.exception("the version served last cannot be used, the run is served instead")
                self.set_aside = False
        self._write(lambda connection: self._promote(connection, own, registry.START, self.learning))
        return arm_of(own, run, run, self._state)

    def _under_way(self) -> Rollout | None:
        with self._engine.connect() as connection:
            return rollout.running(connection)

    def _resume_rollout(self) -> None:
        """Go on with the rollout under way; it ends where its candidate cannot be loaded."""
        under_way = self._under_way()
        if under_way is None:
            return
        try:
            self.serving = Serving(self.serving.control, self._arm_named(under_way.candidate), under_way)
        except ApiError:
            log.exception("%s, its rollout has ended", UNUSABLE)
            self._write(lambda connection: self._end_unusable(connection, under_way))

    def _end_unusable(self, connection: Connection, under_way: Rollout) -> None:
        now = self._clock.now()
        rollout.end(connection, under_way.number, UNUSABLE, now)
        detail = {"rollout": under_way.number, "version": under_way.candidate}
        raise_alarm(connection, CANDIDATE_UNUSABLE, detail, now)

    def register(self, path: Path, trained_to: int | None = None, also: Also = nothing) -> ModelVersion:
        """Make a run known, so that it can be promoted. trained_to: what the service decided before is in its training.

        Raises `ApiError` 422 where it cannot be used.
        """
        optimizer = loaded(str(path))
        return self._registered(path.resolve(), optimizer, trained_to, also)

    def promote(self, version: str, why: str = registry.PROMOTE, also: Also = nothing) -> ModelVersion:
        """Serve a registered version to everybody; learning goes on from it after a promotion and rests after a
        rollback. A rollout of it ends as finished, one of another version is in the way of a promotion and is ended by
        a rollback. also: done in the same transaction.

        Raises `ApiError`: 404 unknown, 409 in the way, 422 damaged or of other slots; then nothing has changed.
        """
        with self._lock:
            under_way = self.serving.rollout
            if under_way is not None and version in (under_way.started_from, under_way.candidate):
                return self._finish_rollout(why, also)
            if under_way is not None and why != registry.ROLLBACK:
                raise ApiError(
                    409, "rollout_running", f"Model {under_way.candidate!r} is being rolled out: roll it back first."
                )
            arm = self._arm_named(version)

            def write(connection: Connection) -> None:
                if under_way is not None:
                    rollout.end(connection, under_way.number, rollout.BY_HAND, self._clock.now())
                self._promote(connection, arm.version, why, why != registry.ROLLBACK)
                also(connection, arm.version.version)

            self._write(write)
            self.learning = why != registry.ROLLBACK
            self._swap(Serving(arm), why)
        return arm.version

    def roll_back(self, version: str, also: Also = nothing) -> ModelVersion:
        """Serve what `version` took over from; where it is being rolled out, end that. Returns what is served then.
        also: done in the same transaction.

        Raises `ApiError` 409 unless the version is in service and took over from another.
        """
        with self._lock:
            under_way = self.serving.rollout
            if under_way is not None and version in (under_way.started_from, under_way.candidate):
                served = self.version.version
                self.end_rollout(under_way.number, rollout.BY_HAND, lambda connection: also(connection, served))
                return self.version
            return self.promote(registry.version_before(self._engine, version).version, registry.ROLLBACK, also)

    def begin_rollout(self, version: str, plan: Plan, also: Also = nothing) -> Rollout:
        """Serve a registered version to the first share of the plan. also: done in the same transaction.

        Raises `ApiError`: 404 unknown, 409 served already or another one under way, 422 damaged, or without a product,
        element or context column of what is served: its share of requests would fail.
        """
        with self._lock:
            arm, control = self._arm_named(version), self.serving.control
            if version == control.version.version:
                raise ApiError(409, "already_served", f"Model {version!r} is served already.")
            require_what_is_served(arm.optimizer, control.optimizer)

            def write(connection: Connection) -> Rollout:
                made = rollout.begin(connection, version, plan, self._clock.now())
                also(connection, control.version.version)
                return made

            begun: Rollout = self._write(write)
            self._swap(Serving(control, arm, begun), registry.ROLLOUT)
        return begun

    def advance(self, version: str, also: Also = nothing) -> ModelVersion:
        """Enter the next stage of the version's rollout; the last one is a promotion. Returns what is served then.
        also: done in the same transaction.

        Raises `ApiError` 409 where the version is not being rolled out.
        """
        with self._lock:
            under_way = self.serving.rollout
            if under_way is None or version not in (under_way.started_from, under_way.candidate):
                raise ApiError(409, "not_rolled_out", f"Model {version!r} is not being rolled out.")
            stage = under_way.stage + 1
            if under_way.plan.stages[stage] == 100:
                return self._finish_rollout(registry.ROLLOUT, also)
            now = self._clock.now()

            def write(connection: Connection) -> None:
                rollout.enter(connection, under_way.number, stage, now)
                also(connection, self.version.version)

            self._write(write)
            entered = replace(under_way, stage=stage, stage_at=self._clock.now())  # until here: the old share
            self._swap(replace(self.serving, rollout=entered), registry.ROLLOUT)
            self._count_from_now()
        return self.version

    def _count_from_now(self) -> None:
        """Begin the stage anew: while it was written, decisions were still split by the share before."""
        now, under_way = self._clock.now(), self.serving.rollout
        assert under_way is not None
        self._write(lambda connection: rollout.enter(connection, under_way.number, under_way.stage, now))
        self.serving = replace(self.serving, rollout=replace(under_way, stage_at=now))

    def end_rollout(self, number: int, outcome: str, also: Any = None) -> bool:
        """Take the candidate of rollout `number` out of service; False where it had ended before. also: an operation in
        the same transaction."""
        with self._lock:
            under_way = self.serving.rollout
            if under_way is None or under_way.number != number:
                return False

            def write(connection: Connection) -> None:
                rollout.end(connection, number, outcome, self._clock.now())
                if also is not None:
                    also(connection)

            self._write(write)
            self._swap(Serving(self.serving.control), registry.ROLLBACK)
        return True

    def optimizer_of(self, version: str) -> Optimizer:
        """A registered version on the catalogue as it is now. Raises `ApiError` 404, 422."""
        model = self.serving.model_named(version)
        return self._arm_named(version).model.optimizer if model is None else model.optimizer

    def learning_arms(self) -> list[str]:
        """Names of the arms whose learned versions may take over."""
        return [CONTROL] * self.learning + [CANDIDATE] * (self.serving.candidate is not None)

    def serve_learned(
        self,
        name: str,
        after: str,
        model: RewardModel,
        evidence: Mapping[str, NDArray[Any]],
        learned: Mapping[str, Any],
    ) -> str | None:
        """Serve in arm `name` what was learned from version `after` on; its version, or None if another one has taken
        its place meanwhile."""
        with self._lock:
            arm = self.serving.arm(name)
            if arm is None or name not in self.learning_arms() or arm.version.version != after:
                return None
            version = model_version(model, arm.base.network)
            path = registry.save_learned(arm.base.run, version, model, evidence, learned)
            entry = ModelVersion(version, registry.LEARNER, str(path), arm.version.root, self._clock.now())
            changed = arm_of(entry, arm.loaded[0], load(path), self._state)
            self._write(lambda connection: self._enter_learned(connection, name, entry))
            under_way = self.serving.rollout
            if name == CANDIDATE and under_way is not None:
                under_way = replace(under_way, candidate=version)
                self._swap(replace(self.serving, candidate=changed, rollout=under_way), registry.LEARN)
            else:
                self._swap(replace(self.serving, control=changed), registry.LEARN)
            for folder in self._write(registry.forget_old):
                shutil.rmtree(folder, ignore_errors=True)
        return version

    @property
    def additions(self) -> Additions:
        """What was added to the catalogue."""
        return self._state.additions

    def take(
        self,
        controls: ControlState,
        check: Callable[[Optimizer, Optimizer], None],
        write: Callable[[Connection, ServedModel], T],
        additions: Additions | None = None,
    ) -> T:
        """Serve the same models under other controls. check: raises where what is served now may not become what would
        be · write: stores the change, given the model that will answer then · additions: to the catalogue, as before
        where not given."""
        with self._lock:
            state = CatalogueState(controls, additions or self._state.additions, self._state.version + 1)
            serving = self.serving
            control = arm_again(serving.control, self._state, state, check)
            candidate = serving.candidate and arm_again(serving.candidate, self._state, state, check)

            def store(connection: Connection) -> T:
                put_setting(connection, CATALOGUE_VERSION, str(state.version))
                return write(connection, control.model)

            done: T = self._write(store)
            self._state = state
            self._swap(Serving(control, candidate, serving.rollout), "catalogue")
        return done

    def under(self, controls: ControlState) -> Optimizer:
        """What the version that is served would be under other controls."""
        return governed(self.serving.control.optimizer, controls)

    def _finish_rollout(self, why: str, also: Also) -> ModelVersion:
        """Serve the candidate to everybody."""
        candidate, under_way = self.serving.candidate, self.serving.rollout
        assert candidate is not None and under_way is not None

        def write(connection: Connection) -> None:
            rollout.end(connection, under_way.number, rollout.FINISHED, self._clock.now())
            self._promote(connection, candidate.version, why, True)
            also(connection, candidate.version.version)

        self._write(write)
        self.learning = True
        self._swap(Serving(candidate), why)
        return candidate.version

    def _enter_learned(self, connection: Connection, name: str, entry: ModelVersion) -> None:
        registry.register(connection, entry)
        if name == CONTROL:
            self._promote(connection, entry, registry.LEARN, True)
        elif self.serving.rollout is not None:
            rollout.replace_candidate(connection, self.serving.rollout.number, entry.version)

    def _swap(self, serving: Serving, why: str) -> None:
        self.serving = serving
        self._metrics.swaps.labels(why).inc()

    def _promote(self, connection: Connection, version: ModelVersion, why: str, learning: bool) -> None:
        registry.promote(connection, version.version, why, self._clock.now())
        put_setting(connection, LEARNING, ON if learning else OFF)

    def _registered(
        self, path: Path, optimizer: Optimizer, trained_to: int | None = None, also: Also = nothing
    ) -> ModelVersion:
        now = self._clock.now()
        reached = now if trained_to is None else trained_to
        entry = ModelVersion(optimizer.policy.version, registry.RUN, str(path), None, now, reached)

        def write(connection: Connection) -> None:
            registry.register(connection, entry)
            also(connection, entry.version)

        self._write(write)
        return registry.version_named(self._engine, entry.version)

    def _arm_named(self, version: str) -> Arm:
        """A registered version on the catalogue as it is. Raises `ApiError` 404, 422."""
        return arm_named(self._engine, version, self.serving.control, self._state)

    def _read_state(self) -> None:
        with self._engine.connect() as connection:
            controls, additions = state_of(changes_in_force(connection)), read_additions(connection)
            self._state = CatalogueState(controls, additions, int(setting(connection, CATALOGUE_VERSION) or 0))
            self.learning = setting(connection, LEARNING) != OFF

    def _write(self, operation: Any) -> Any:
        return self._writer.submit(operation).result()
