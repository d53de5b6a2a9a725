"""Writes a simulated dataset folder: feeds a `Simulation` to a `DatasetWriter`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from genco.simulator.scenarios import Scenario
from genco.simulator.simulate import Simulation, simulate
from genco.storage.dataset import DatasetMeta
from genco.storage.writer import DatasetWriter


def simulate_to_folder(
    scenario: str | Scenario,
    num_impressions: int | None,
    seed: int,
    out: str | Path,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw `scenario` from `seed` and write it to the folder `out`; returns the folder.

    `progress(rows written, rows in all)` is called after every chunk. Memory stays constant in `num_impressions`, and
    a run that fails or is interrupted leaves nothing behind.
    """
    simulation = simulate(scenario, num_impressions, seed)
    with DatasetWriter(Path(out), dataset_meta(simulation), overwrite=overwrite) as writer:
        writer.write_products(simulation.products)
        writer.write_elements(simulation.elements)
        for path, content in simulation.assets():
            writer.write_asset(path, content)
        writer.write_truth(simulation.truth_arrays, simulation.truth_info)
        written = 0
        for impressions in simulation.impressions():
            writer.append_impressions(impressions)
            written += impressions.height
            if progress is not None:
                progress(written, simulation.num_impressions)
    return Path(out)


def dataset_meta(simulation: Simulation) -> DatasetMeta:
    """What `dataset.toml` says of a simulated log."""
    return DatasetMeta(
        name=simulation.scenario.name,
        slots=simulation.slots,
        rules=simulation.rules,
        reward="num_clicks",
        context=simulation.context,
        origin={
            "source": "genco simulate",
            "scenario": simulation.scenario.name,
            "why": simulation.scenario.why,
            "seed": simulation.seed,
            "num_impressions": simulation.num_impressions,
            "logging_policy": simulation.policy.name,
        },
    )
