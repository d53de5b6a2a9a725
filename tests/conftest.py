"""Small worlds, simulated and trained once a session. Fixtures import late: quick tests stay quick."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from genco.policies.optimizer import Optimizer
    from genco.protocols import Truth
    from genco.storage.dataset import Dataset
    from genco.storage.runs import RunFolder

PAIRS_CONFIG: dict[str, Any] = {
    "training": {"steps": 40, "requests": 64, "group": 8},
    "reward_model": {"residual": "off"},
}
CARD_CONFIG: dict[str, Any] = {
    "training": {"steps": 10, "requests": 32, "group": 8},
    "reward_model": {"residual": "off", "max_own_rank": 6, "max_pair_rank": 3},
}


def _scenario_folder(folder: Path, name: str, num_products: int, num_rows: int, candidates: dict[str, int]) -> Path:
    """The named scenario with fewer products and `candidates` per component, written below `folder`."""
    from genco.simulator.folder import simulate_to_folder
    from genco.simulator.scenarios import SCENARIOS

    scenario = SCENARIOS[name]
    components = tuple(
        replace(c, num_candidates=candidates[c.name]) for c in scenario.components if c.name in candidates
    )
    scenario = replace(scenario, num_products=num_products, components=components)
    return simulate_to_folder(scenario, num_rows, 1, folder / name)


def _trained(dataset: Dataset, out: Path, config: dict[str, Any]) -> RunFolder:
    import torch

    from genco.training.config import config_from
    from genco.training.train import train

    torch.set_num_threads(1)
    return train(dataset, out, config_from(config))


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Forty products, three slots of 5, 5 and 4: strong own and pair effects, 60,000 impressions, uniform logging."""
    from genco.storage.dataset import open_dataset

    folder = tmp_path_factory.mktemp("worlds")
    return open_dataset(_scenario_folder(folder, "pairs_dense", 40, 60_000, {"title": 5, "image": 5, "tag": 4}))


@pytest.fixture(scope="session")
def pairs_truth(pairs: Dataset) -> Truth:
    from genco.simulator.truth import truth_of

    truth = truth_of(pairs)
    assert truth is not None
    return truth


@pytest.fixture(scope="session")
def pairs_run(pairs: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return _trained(pairs, tmp_path_factory.mktemp("runs") / "pairs", PAIRS_CONFIG)


@pytest.fixture(scope="session")
def pairs_optimizer(pairs_run: RunFolder) -> Optimizer:
    from genco.policies.optimizer import load

    return load(pairs_run.path)


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twelve product cards with texts: three highlights, none twice, forbidden pairs, an optional tag."""
    from genco.storage.dataset import open_dataset

    candidates = {"title": 4, "image": 3, "highlight": 5, "tag": 3}
    return open_dataset(_scenario_folder(tmp_path_factory.mktemp("worlds"), "jd_card", 12, 8_000, candidates))


@pytest.fixture(scope="session")
def card_run(card: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return _trained(card, tmp_path_factory.mktemp("runs") / "card", CARD_CONFIG)


@pytest.fixture(scope="session")
def card_optimizer(card_run: RunFolder) -> Optimizer:
    from genco.policies.optimizer import load

    return load(card_run.path)
