"""The table of scenarios."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genco.errors import ConfigError
from genco.simulator.scenarios import SCENARIOS, scenario_named

TABLE = {
    # name: products, candidates, segments, k, h, logging, impressions
    "pairs_dense": (300, [10, 10, 8, 5], 6, 0.6, 0.0, "uniform", 1_000_000),
    "pairs_sparse": (2_000, [10, 10, 8, 5], 6, 0.25, 0.0, "uniform", 2_000_000),
    "higher_order": (2_000, [10, 10, 8, 5], 6, 0.25, 0.5, "uniform", 2_000_000),
    "confounded": (2_000, [10, 10, 8, 5], 6, 0.25, 0.0, "softmax", 2_000_000),
    "cold": (2_000, [10, 10, 8, 5], 6, 0.25, 0.0, "uniform", 2_000_000),
    "drift": (300, [10, 10, 8, 5], 6, 0.6, 0.0, "uniform", 10_000),
    "wide": (50, [1_000] * 5, 6, 0.25, 0.2, "uniform", 2_000_000),
    "jd_card": (500, [12, 10, 15, 6], 8, 0.25, 0.1, "sequential", 1_000_000),
}


@pytest.mark.parametrize("name", list(TABLE))
def test_scenarios_are_the_published_table(name: str) -> None:
    scenario = SCENARIOS[name]
    assert TABLE[name] == (
        scenario.num_products,
        [component.num_candidates for component in scenario.components],
        scenario.num_segments,
        scenario.strength,
        scenario.higher_order,
        scenario.logging,
        scenario.num_impressions,
    )
    assert scenario_named(name) is scenario


def test_no_scenario_is_missing() -> None:
    assert list(SCENARIOS) == list(TABLE)


def test_highlights_have_three_slots() -> None:
    scenario = SCENARIOS["jd_card"]
    assert scenario.slot_names == ("title", "image", "highlight_1", "highlight_2", "highlight_3", "tag")
    assert scenario.slot_component == (0, 1, 2, 2, 2, 3)
    assert scenario.elements_per_product == 43


def test_wrong_values_are_named() -> None:
    with pytest.raises(ConfigError, match=r"'higher_order' must lie in \[0, 1\]. Found 1.5"):
        replace(SCENARIOS["wide"], higher_order=1.5)
    with pytest.raises(ConfigError, match=r"'num_products' must be at least 1. Found 0"):
        replace(SCENARIOS["wide"], num_products=0)
