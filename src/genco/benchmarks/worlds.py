"""Steps that several suites run in processes of their own: simulate a world, train a run, evaluate it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from genco.benchmarks.suite import Progress
from genco.evaluation.cold import evaluate_all
from genco.policies.optimizer import load
from genco.simulator.folder import simulate_to_folder
from genco.simulator.scenarios import ComponentSpec, Scenario, scenario_named
from genco.storage.dataset import open_dataset


def simulate_world(
    scenario: str,
    impressions: int,
    seed: int,
    out: str,
    progress: Progress,
    products: int | None = None,
    candidates: list[int] | None = None,
) -> str:
    """Write the named world's log to `out`. products, candidates (one number per slot): other than the scenario's."""
    world = scenario_named(scenario)
    world = changed_scenario(world, products, candidates)
    simulate_to_folder(world, impressions, seed, out, lambda rows, of: progress("simulate", {"rows": rows, "of": of}))
    return out


def changed_scenario(scenario: Scenario, products: int | None, candidates: list[int] | None) -> Scenario:
    """The scenario with another number of products, or with required slots of so many candidates."""
    if products is not None:
        scenario = replace(scenario, num_products=products)
    if candidates is not None:
        components = tuple(ComponentSpec(f"slot_{slot}", number) for slot, number in enumerate(candidates, 1))
        scenario = replace(scenario, components=components)
    return scenario


def train_world(data: str, out: str, config: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Train both stages; returns what was measured. Peak memory is that of this process, which does nothing else."""
    from genco.training.config import config_from  # torch, which the other steps do without
    from genco.training.train import train

    return dict(train(open_dataset(data), out, config_from(config), progress=progress).info["measured"])


def evaluate_world(run: str, data: str, requests: int, seed: int, progress: Progress) -> dict[str, Any]:
    """Everything `genco evaluate` reports."""
    return evaluate_all(load(run), open_dataset(data), requests, seed, progress)
