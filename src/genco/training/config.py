"""The configuration of a run: one frozen record, read from TOML once, at the edge."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from genco.errors import ConfigError
from genco.models.generator import GeneratorConfig
from genco.runtime.decision import DecisionConfig
from genco.storage.runs import RunFolder
from genco.training.generator_loop import GeneratorTrainingConfig
from genco.training.reward_model_config import RewardModelConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TEXT_ENCODERS = ("hashed", "minilm", "none")
T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True)
class SplitConfig:
    """How rows are held out for calibration and for deciding what to keep. by: "time" (the newest rows), "product"
    (whole products, by a stable hash of their id) or "auto" (what the dataset asks for) · holdout: the share, in
    [0, 1); 0 = none. Raises `ConfigError`."""

    by: str = "auto"
    holdout: float = 0.05

    def __post_init__(self) -> None:
        if self.by not in ("auto", "time", "product"):
            raise ConfigError(f'Parameter `split.by` should be "auto", "time" or "product". Found {self.by!r}.')
        if not 0 <= self.holdout < 1:
            raise ConfigError(f"Parameter `split.holdout` should be in [0, 1). Found `holdout = {self.holdout}`.")


@dataclass(frozen=True)
class TrainConfig:
    """Everything `genco train` can be told. Each section is the record of the class it configures.

    seed: of everything random in training, not negative · text: how texts become numbers: hashed, minilm (the extra
    `embed`) or none. Raises `ConfigError` naming parameter and value.
    """

    seed: int = 0
    text: str = "hashed"
    split: SplitConfig = field(default_factory=SplitConfig)
    reward_model: RewardModelConfig = field(default_factory=RewardModelConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    training: GeneratorTrainingConfig = field(default_factory=GeneratorTrainingConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"Parameter `seed` should not be negative. Found `seed = {self.seed}`.")
        if self.text not in TEXT_ENCODERS:
            raise ConfigError(f"Parameter `text` should be one of {', '.join(TEXT_ENCODERS)}. Found {self.text!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Nested tables, as in TOML."""
        return asdict(self)


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """Build a configuration from nested tables. Raises `ConfigError` for an unknown key, naming the nearest known
    one."""
    return _record(TrainConfig(), values, "")


def config_of_run(path: Path) -> TrainConfig | None:
    """What the run at `path`, finished or interrupted, was started with; None where there is no run."""
    return config_from(RunFolder.open(path, finished=False).info["config"]) if (path / "run.toml").exists() else None


def _record(default: T, values: Mapping[str, Any], path: str) -> T:
    known = {entry.name: getattr(default, entry.name) for entry in fields(default)}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}{key}"
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f" Did you mean {path + near[0]!r}?" if near else f" Known keys: {', '.join(known)}."
            raise ConfigError(f"Unknown configuration key {where!r}.{hint}")
        changes[key] = _value(known[key], value, where)
    return replace(default, **changes)


def _value(default: Any, value: Any, where: str) -> Any:
    if is_dataclass(default) and not isinstance(default, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"Configuration key {where!r} should be a table. Found {value!r}.")
        return _record(default, value, f"{where}.")
    if isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"Configuration key {where!r} should be a table. Found {value!r}.")
        return dict(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"Configuration key {where!r} should be a finite number. Found {value}.")
    if type(value) is not type(default):
        raise ConfigError(f"Configuration key {where!r} should be of type {type(default).__name__}. Found {value!r}.")
    return value
