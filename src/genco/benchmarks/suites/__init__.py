"""The suites of `genco bench`, by name."""

from __future__ import annotations

from importlib import import_module

from genco.benchmarks.suite import Suite
from genco.errors import ConfigError

SUITE_NAMES = (
    "scenarios",
    "simulator",
    "wide",
    "upworthy",
    "aes",
    "autoco",
    "drift",
    "latency",
    "throughput",
    "ablation",
    "ope",
)


def suite_named(name: str) -> Suite:
    """The suite of that name; only its own file is imported. Raises `ConfigError` that lists the known names."""
    if name not in SUITE_NAMES:
        raise ConfigError(f"Parameter `suite` must be one of {', '.join(SUITE_NAMES)}. Found {name!r}.")
    suite: Suite = import_module(f"genco.benchmarks.suites.{name}").SUITE
    return suite
