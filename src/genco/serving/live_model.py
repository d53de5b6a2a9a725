"""What is served now: a version of the model on the current state of the catalogue, and how it changes.

Changes are made one at a time, in the calling thread, while requests go on with the old model; the new one is loaded,
checked and warmed up before it takes over, and its promotion is in the store before that.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from genco.errors import CheckpointError
from genco.policies.optimizer import Optimizer, load, model_version
from genco.runtime.reward_model import RewardModel
from genco.serving import registry
from genco.serving.clock import Clock
from genco.serving.errors import ApiError
from genco.serving.metrics import Metrics
from genco.serving.registry import ModelVersion
from genco.serving.served_model import ServedModel, with_statuses
from genco.serving.store import put_setting, read_statuses, setting
from genco.serving.writer import Writer

log = logging.getLogger(__name__)
CATALOGUE_VERSION, LEARNING = "catalogue_version", "learning"
ON, OFF = "on", "off"


class LiveModel:
    """current: what answers requests · base: the run it stems from · version: its entry in the registry · learning:
    whether learned versions may take over. Raises `CheckpointError` where the run cannot be used."""

    def __init__(self, run: Path, engine: Engine, writer: Writer, clock: Clock, metrics: Metrics) -> None:
        self._engine, self._writer, self._clock, self._metrics = engine, writer, clock, metrics
        self._lock = threading.Lock()
        self.base = load(run)
        self._read_state()
        own = self._registered(run.resolve(), self.base)
        self.version, optimizer = self._last_served(own)
        self._optimizer = optimizer
        self.current = self._prepared(optimizer)

    def _last_served(self, own: ModelVersion) -> tuple[ModelVersion, Optimizer]:
        """The version served last if it stems from this run and is sound, else the run."""
        last = registry.served(self._engine)
        if last is not None and last.root == own.version:
            try:
                return last, self.base if last.version == own.version else load(last.path)
            except CheckpointError:
                log.exception("the learned model served last cannot be used, its run is served instead")
        self._write(lambda connection: self._promote(connection, own, registry.START, self.learning))
        return own, self.base

    def register(self, path: Path) -> ModelVersion:
        """Make a run known, so that it can be promoted. Raises `ApiError` 422 where it cannot be used."""
        return self._registered(path.resolve(), self._loaded(str(path)))

    def promote(self, version: str, why: str = registry.PROMOTE) -> ModelVersion:
        """Serve a registered version; learning goes on from it after a promotion and rests after a rollback.

        Raises `ApiError`: 404 unknown, 422 damaged or of other slots; then nothing has changed.
        """
        with self._lock:
            wanted = registry.version_named(self._engine, version)
            optimizer = self._loaded(wanted.path)
            base = optimizer if wanted.origin == registry.RUN else self._base_of(wanted)
            self._switch(wanted, optimizer, base, why, why != registry.ROLLBACK)
        return wanted

    def roll_back(self, version: str) -> ModelVersion:
        """Serve what was served before `version`, which must be served now. Raises `ApiError`."""
        return self.promote(registry.version_before(self._engine, version).version, registry.ROLLBACK)

    def serve_learned(
        self, after: str, model: RewardModel, evidence: Mapping[str, NDArray[Any]], learned: Mapping[str, Any]
    ) -> str | None:
        """Serve what was learned from version `after` on; its version, or None if one was chosen by hand meanwhile."""
        with self._lock:
            if not self.learning or self.version.version != after:
                return None
            name = model_version(model, self.base.network)
            path = registry.save_learned(self.base.run, name, model, evidence, learned)
            entry = ModelVersion(name, registry.LEARNER, str(path), self.version.root, self._clock.now())
            self._write(lambda connection: registry.register(connection, entry))
            self._switch(entry, load(path), self.base, registry.LEARN, True)
            for folder in self._write(registry.forget_old):
                shutil.rmtree(folder, ignore_errors=True)
        return name

    def take_statuses(self) -> None:
        """Read the state of the catalogue from the store and serve it."""
        with self._lock:
            self._read_state()
            self.current = self._prepared(self._optimizer)
        self._metrics.swaps.labels("catalogue").inc()

    def _switch(self, version: ModelVersion, optimizer: Optimizer, base: Optimizer, why: str, learning: bool) -> None:
        prepared = self._prepared(optimizer)
        self._write(lambda connection: self._promote(connection, version, why, learning))
        self.version, self.base, self._optimizer, self.learning = version, base, optimizer, learning
        self.current = prepared
        self._metrics.swaps.labels(why).inc()

    def _promote(self, connection: Connection, version: ModelVersion, why: str, learning: bool) -> None:
        registry.promote(connection, version.version, why, self._clock.now())
        put_setting(connection, LEARNING, ON if learning else OFF)

    def _registered(self, path: Path, optimizer: Optimizer) -> ModelVersion:
        entry = ModelVersion(optimizer.policy.version, registry.RUN, str(path), None, self._clock.now())
        self._write(lambda connection: registry.register(connection, entry))
        return registry.version_named(self._engine, entry.version)

    def _loaded(self, path: str) -> Optimizer:
        """The run at `path`. Raises `ApiError` 422 where it is damaged or shows other slots than the service's."""
        try:
            optimizer = load(path)
        except CheckpointError as error:
            raise ApiError(422, "model_unusable", str(error)) from error
        if optimizer.slot_names != self.base.slot_names:
            raise ApiError(422, "model_unusable", f"The slots should be {self.base.slot_names}.")
        return optimizer

    def _base_of(self, version: ModelVersion) -> Optimizer:
        if version.root == self.version.root:
            return self.base
        return self._loaded(registry.version_named(self._engine, version.root).path)

    def _prepared(self, optimizer: Optimizer) -> ServedModel:
        """The model on the catalogue as it is now, warmed up."""
        model = ServedModel(with_statuses(optimizer, self._statuses), self._catalogue_version)
        model.warm_up()
        return model

    def _read_state(self) -> None:
        self._statuses = read_statuses(self._engine)
        with self._engine.connect() as connection:
            self._catalogue_version = int(setting(connection, CATALOGUE_VERSION) or 0)
            self.learning = setting(connection, LEARNING) != OFF

    def _write(self, operation: Any) -> Any:
        return self._writer.submit(operation).result()
