"""Shares that cannot be kept together are refused before training."""

from __future__ import annotations

import pytest
from tests.kits.small_dataset import write_small

from genco.data.catalogue import Catalogue
from genco.errors import ConfigError
from genco.runtime.decision import DecisionConfig
from genco.storage.dataset import open_dataset
from genco.training.minimum_shares import require_minimum_shares


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Titles t1 and t2 of p1, t3 of p2; badge b1 of both."""
    return open_dataset(write_small(tmp_path_factory.mktemp("minimum") / "d")).catalogue


@pytest.mark.parametrize("shares", [{}, {"t1": 0.5, "t3": 0.9}, {"t1": 0.4, "t2": 0.4, "b1": 0.1}, {"b1": 0.9}])
def test_shares_that_fit(shares: dict[str, float], catalogue: Catalogue) -> None:
    require_minimum_shares(DecisionConfig(epsilon=0.1, minimum_share=shares), catalogue)


@pytest.mark.parametrize(
    ("shares", "found"),
    [
        ({"t1": 0.5, "t2": 0.5}, r"1 - epsilon = 0.9 at most .* Found 1 for product 'p1': 't1' = 0.5, 't2' = 0.5\."),
        ({"t3": 0.5, "b1": 0.41}, r"Found 0.91 for product 'p2': 'b1' = 0.41, 't3' = 0.5\."),
        ({"t9": 0.1}, r"should name elements of the catalogue. Found 't9'"),
    ],
)
def test_shares_that_do_not(shares: dict[str, float], found: str, catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match=found):
        require_minimum_shares(DecisionConfig(epsilon=0.1, minimum_share=shares), catalogue)
