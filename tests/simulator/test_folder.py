"""A simulated folder holds what the simulation drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genco.simulator.folder import dataset_meta, simulate_to_folder
from genco.simulator.simulate import simulate
from genco.simulator.truth import truth_from_arrays
from genco.storage.dataset import open_dataset


@pytest.mark.parametrize("name", ["pairs_dense", "jd_card"])
def test_folder_holds_catalogue_log_and_truth(tmp_path: Path, name: str) -> None:
    pytest.importorskip("PIL")
    seen: list[tuple[int, int]] = []
    folder = simulate_to_folder(name, 3_000, 1, tmp_path / "data", progress=lambda *done: seen.append(done))
    assert seen == [(3_000, 3_000)]
    dataset, simulation = open_dataset(folder), simulate(name, 3_000, 1)
    assert dataset.num_rows == 3_000
    assert dataset.meta.slots == simulation.slots
    assert dataset.meta.rules == simulation.rules
    assert dataset.catalogue.products.equals(simulation.products)
    assert dataset.catalogue.elements["element_id"].equals(simulation.elements["element_id"])
    log = pl.concat(list(simulation.impressions()))
    batch = next(iter(dataset.batches()))
    assert batch.reward.sum() == log["num_clicks"].sum()
    np.testing.assert_allclose(batch.propensity, log["propensity"], rtol=1e-6)
    truth = truth_from_arrays(*dataset.read_truth())
    context = np.array([truth.context_values.index(value) for value in batch.context["segment"]], dtype=np.int32)
    np.testing.assert_allclose(
        truth.logit(batch.product, context, batch.combination),
        simulation.world.logit(batch.product, context, batch.combination),
    )
    pictures = simulation.elements["image_uri"].drop_nulls()
    assert all((folder / uri).is_file() for uri in pictures.head(20))


def test_candidates_of_the_catalogue_are_those_of_the_simulation(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    catalogue = open_dataset(simulate_to_folder("jd_card", 10, 1, tmp_path / "data")).catalogue
    simulation = simulate("jd_card", 10, 1)
    for product in (0, 17, 499):
        for slot, rows in enumerate(simulation.candidates(product)):
            assert catalogue.candidates(product, slot).tolist() == rows.tolist()


def test_meta_names_scenario_and_seed() -> None:
    meta = dataset_meta(simulate("confounded", 10, seed=4))
    assert (meta.name, meta.reward, meta.context) == ("confounded", "num_clicks", ("segment",))
    assert meta.origin["seed"] == 4
    assert meta.origin["logging_policy"] == "softmax"
