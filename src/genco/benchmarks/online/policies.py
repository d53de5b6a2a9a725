"""Policies of the online suites, by name."""

from __future__ import annotations

from genco.benchmarks.online.policy import PolicyFactory
from genco.benchmarks.online.uniform import UniformPolicy

PEERS: dict[str, PolicyFactory] = {"uniform": UniformPolicy}
