"""How the service behaves: a frozen record, read once from TOML and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from genco.errors import ConfigError
from genco.storage.toml_keys import unknown_value

MODES = ("logging_only", "apprentice", "online")
REWARDS = ("earliest", "sum")
DURABILITIES = ("process", "power")
_CHOICES = {"mode": MODES, "reward": REWARDS, "durability": DURABILITIES}
_LEAST = {
    "timeout_ms": 1.0,
    "reward_window_seconds": 0.0,
    "rate_per_second": 1.0,
    "max_body_bytes": 1_024.0,
    "learn_every_seconds": 0.0,
    "half_life_hours": 1e-3,
    "decisions_per_actor": 0.0,
    "decisions_per_actor_and_product": 0.0,
    "rewards_per_actor": 0.0,
    "actor_window_seconds": 1.0,
    "forged_window_hours": 0.0,
    "guard_every_seconds": 0.0,
    "guard_error_rate": 0.0,
    "guard_latency_ms": 0.0,
}


@dataclass(frozen=True)
class ServiceConfig:
    """mode: who chooses · durability: what an acknowledged decision survives on SQLite (`process`: kill -9 of the
    server; `power`: loss of power too, for one disk flush a commit) · timeout_ms: for the choice, unless the
    request says less · holdout: share of actors always served the baseline · reward_window_seconds: how long a
    decision waits for events · reward: one reward per decision and slot (`earliest`), or all rewards added (`sum`)
    · rate_per_second: requests of one key · max_body_bytes: of one request · learn_every_seconds: 0 = never ·
    half_life_hours: of what was learned · decisions_per_actor, decisions_per_actor_and_product, rewards_per_actor:
    of one actor that count in actor_window_seconds, 0 = all · forged_window_hours: how long rewards stay under
    judgement as forged, 0 = never · guard_every_seconds: between looks at a rollout, 0 = never · guard_error_rate,
    guard_latency_ms: limits of `guardrails.Limits`."""

    mode: str = "online"
    durability: str = "process"
    timeout_ms: float = 200.0
    holdout: float = 0.0
    reward_window_seconds: float = 600.0
    reward: str = "earliest"
    rate_per_second: float = 5_000.0
    max_body_bytes: int = 4 * 1024 * 1024
    learn_every_seconds: float = 60.0
    half_life_hours: float = 720.0
    decisions_per_actor: int = 100
    decisions_per_actor_and_product: int = 5
    rewards_per_actor: int = 0
    actor_window_seconds: float = 3_600.0
    forged_window_hours: float = 24.0
    guard_every_seconds: float = 2.0
    guard_error_rate: float = 0.01
    guard_latency_ms: float = 100.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(f"Parameter {unknown_value(name, getattr(self, name), choices)}")
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:
                raise ConfigError(f"Parameter `{name}` should be at least {least:g}. Found {getattr(self, name)}.")
        if not 0 <= self.holdout < 1:
            raise ConfigError(f"Parameter `holdout` should be in [0, 1). Found {self.holdout}.")

    @property
    def reward_window_us(self) -> int:
        return round(self.reward_window_seconds * 1e6)


def service_config(values: Mapping[str, Any]) -> ServiceConfig:
    """The record of a TOML table. Raises `ConfigError` for an unknown key or a value of a wrong type."""
    kinds: dict[str, type] = {entry.name: str if entry.name in _CHOICES else float for entry in fields(ServiceConfig)}
    kinds |= {entry.name: int for entry in fields(ServiceConfig) if entry.type == "int"}
    for name, value in values.items():
        if name not in kinds:
            raise ConfigError(unknown_value("key", name, list(kinds)))
        fits = isinstance(value, (int, float) if kinds[name] is float else kinds[name]) and not isinstance(value, bool)
        if not fits:
            raise ConfigError(f"Key `{name}` should be of type {kinds[name].__name__}. Found {value!r}.")
    return ServiceConfig(**values)
