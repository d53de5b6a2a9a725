"""Random play, the oracle, and METHOD's claims about the worlds."""

from __future__ import annotations

from dataclasses import replace
from itertools import product as every

import numpy as np
import pytest

from genco.errors import DataError, RuleError
from genco.simulator.environment import request_reference
from genco.simulator.reference import normalised_value, reference
from genco.simulator.scenarios import SCENARIOS, ComponentSpec
from genco.simulator.simulate import simulate
from genco.simulator.world import sigmoid


def test_small_space_with_rules_by_brute_force() -> None:
    components = (
        ComponentSpec("title", 3),
        ComponentSpec("image", 2),
        ComponentSpec("highlight", 5, num_slots=3),
        ComponentSpec("tag", 2, required=False),
    )
    simulation = simulate(replace(SCENARIOS["jd_card"], num_products=3, components=components), 10, seed=2)
    found = request_reference(simulation, 1, 4)
    shown = np.array(list(every(*simulation.candidates(1))), dtype=np.int32)
    rows = np.full(len(shown), 1, np.int32)
    legal = simulation.is_legal(rows, shown)
    assert 0 < legal.sum() < len(shown)
    true = simulation.world.click_probability(rows, np.full(len(shown), 4, np.int32), shown)[legal]
    assert found.uniform == pytest.approx(true.mean())
    assert found.oracle == pytest.approx(true.max())
    assert found.best.tolist() == shown[legal][true.argmax()].tolist()
    assert found.exact


def test_pruned_search_is_exact_and_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = simulate("higher_order", 10, seed=2)
    exact = [request_reference(simulation, p, 0) for p in range(5)]
    monkeypatch.setattr("genco.simulator.reference.SMALL_SPACE", 1)
    monkeypatch.setattr("genco.simulator.reference._BLOCK", 64)
    for p, wanted in enumerate(exact):
        found = request_reference(simulation, p, 0)
        assert found.oracle == pytest.approx(wanted.oracle)
        assert found.best.tolist() == wanted.best.tolist()
        assert found.uniform == pytest.approx(wanted.uniform, rel=0.02)


def test_large_card_is_exact_and_legal() -> None:
    simulation = simulate("jd_card", 10, seed=1)
    found = request_reference(simulation, 3, 2)
    assert found.exact
    assert simulation.is_legal(np.array([3], np.int32), found.best[None])[0]
    assert found.oracle > 2 * found.uniform


def test_no_legal_combination_is_an_error() -> None:
    simulation = simulate("pairs_dense", 10, seed=1)
    with pytest.raises(RuleError, match=r"Product row 2 must have a legal combination"):
        reference(simulation.world, 2, 0, simulation.candidates(2), lambda shown: np.zeros(len(shown), dtype=bool))
    wide = simulate("wide", 10, seed=1)
    with pytest.raises(RuleError, match=r"without rules above 5,000,000"):
        reference(wide.world, 2, 0, wide.candidates(2), lambda shown: np.ones(len(shown), dtype=bool))


def test_normalised_value_by_hand() -> None:
    uniform, oracle = np.array([0.1, 0.2]), np.array([0.3, 0.6])
    assert normalised_value(uniform, uniform, oracle) == (0.0, 0.0)
    assert normalised_value(oracle, uniform, oracle)[0] == pytest.approx(1.0)
    half, error = normalised_value(np.array([0.2, 0.4]), uniform, oracle)
    assert (half, error) == (pytest.approx(0.5), pytest.approx(0.0, abs=1e-12))
    # gains (0.2, 0) of rooms (0.2, 0.4): 1/3, residuals +-0.1333, their sd / sqrt(2) / 0.3
    third, error = normalised_value(np.array([0.3, 0.2]), uniform, oracle)
    assert third == pytest.approx(1 / 3)
    assert error == pytest.approx(np.std([0.4 / 3, -0.4 / 3], ddof=1) / np.sqrt(2) / 0.3)
    with pytest.raises(DataError, match=r"Found a mean gain of 0.0"):
        normalised_value(uniform, uniform, uniform)


@pytest.mark.parametrize(
    ("name", "ratio", "ceiling"),
    [("pairs_sparse", (2.5, 4.0), (0.76, 0.92)), ("pairs_dense", (6.0, 11.0), (0.74, 0.90))],
)
def test_worlds_are_as_hard_as_the_method_says(
    name: str, ratio: tuple[float, float], ceiling: tuple[float, float]
) -> None:
    """Oracle about 3 and 8 times random; content reaches 0.80-0.88 and 0.78-0.84 (bounds wider: 60 requests)."""
    simulation = simulate(name, 10, seed=1)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(60):
        product, context = int(rng.integers(simulation.world.num_products)), int(rng.integers(6))
        pools = simulation.candidates(product)
        true = sigmoid(simulation.world.enumerate_logits(product, context, pools)).ravel()
        told = simulation.world.enumerate_logits(product, context, pools, content=True).ravel()
        values.append((true[told.argmax()], true.mean(), true.max()))
    content, uniform, oracle = np.array(values).T
    assert ratio[0] < oracle.mean() / uniform.mean() < ratio[1]
    assert ceiling[0] < normalised_value(content, uniform, oracle)[0] < ceiling[1]
