"""Evaluation of one dataset, with the products and elements that its log never shows told apart where it has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.evaluation.evaluate import evaluate, value_measures
from genco.policies.optimizer import Optimizer
from genco.simulator.truth import truth_of
from genco.simulator.world import World
from genco.storage.dataset import Dataset

Progress = Callable[[str, dict[str, float]], None]
COLD_ELEMENTS = "value_cold_elements."


def evaluate_all(
    optimizer: Optimizer, dataset: Dataset, num_requests: int = 400, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Everything `genco evaluate` reports, as flat dotted keys; the truth is the dataset's own.

    Where the log leaves out products, `value.*` is about those; where it leaves out elements of logged products,
    `value_cold_elements.*` is about the logged products that have such elements.
    """
    truth = truth_of(dataset)
    if not isinstance(truth, World):
        return evaluate(optimizer, dataset, truth, num_requests, seed, progress=progress)
    new_products = np.flatnonzero(truth.never_logged_products)
    products = new_products if len(new_products) else None
    result = evaluate(optimizer, dataset, truth, num_requests, seed, products, progress)
    extended = products_with(dataset.catalogue, truth.never_logged_elements)
    extended = extended[~truth.never_logged_products[extended]]
    if len(extended):
        quiet: Progress = progress or (lambda stage, values: None)
        on_data = optimizer.on(dataset.catalogue, dataset.meta)
        again = value_measures(on_data, truth, extended, num_requests, seed, quiet)
        result |= {
            COLD_ELEMENTS + key.removeprefix("value."): value
            for key, value in again.items()
            if key.startswith("value.")
        }
    return result


def products_with(catalogue: Catalogue, elements: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of the products that may show one of `elements` [element]: approved, and of a component with a slot."""
    usable = elements & catalogue.element_approved & (catalogue.element_component >= 0)
    owners = catalogue.element_product[usable]
    return np.arange(catalogue.num_products) if (owners < 0).any() else np.unique(owners).astype(np.int64)
