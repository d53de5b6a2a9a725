"""Propensities add up to one over the legal combinations and agree with frequencies."""

from __future__ import annotations

from dataclasses import replace
from itertools import product as every

import numpy as np
import pytest

from genco.simulator.logging_policies import LoggingPolicy, inverse_cumulative, mixed_softmax, preferences
from genco.simulator.scenarios import SCENARIOS, ComponentSpec, Scenario
from genco.simulator.simulate import Simulation, simulate

SMALL = tuple(ComponentSpec(name, n) for name, n in (("title", 3), ("image", 3), ("highlight", 2)))
SMALL_CARD = (
    ComponentSpec("title", 3),
    ComponentSpec("image", 2),
    ComponentSpec("highlight", 6, num_slots=3),
    ComponentSpec("tag", 2, required=False),
)


def small(name: str) -> Simulation:
    components = SMALL_CARD if name == "jd_card" else SMALL
    scenario: Scenario = replace(SCENARIOS[name], num_products=4, components=components)
    return simulate(scenario, 10, seed=5)


def legal_combinations(simulation: Simulation, product: int) -> np.ndarray:
    shown = np.array(list(every(*simulation.candidates(product))), dtype=np.int32)
    return shown[simulation.is_legal(np.full(len(shown), product, np.int32), shown)]


def propensities(policy: LoggingPolicy, product: int, shown: np.ndarray) -> np.ndarray:
    return policy.propensity(np.full(len(shown), product, np.int32), shown)


@pytest.mark.parametrize("name", ["pairs_sparse", "confounded", "cold", "jd_card"])
def test_propensities_add_up_to_one(name: str) -> None:
    simulation = small(name)
    for product in np.flatnonzero(~simulation.world.never_logged_products):
        shown = legal_combinations(simulation, int(product))
        total = propensities(simulation.policy, int(product), shown)
        assert total.sum() == pytest.approx(1.0, abs=1e-12)
        if name != "cold":
            assert total.min() > 0


@pytest.mark.parametrize("name", ["pairs_sparse", "confounded", "cold", "jd_card"])
def test_propensities_agree_with_frequencies(name: str) -> None:
    simulation = small(name)
    product = int(np.flatnonzero(~simulation.world.never_logged_products)[0])
    num_draws = 200_000
    asked = np.full(num_draws, product, dtype=np.int32)
    chosen, logged = simulation.policy.choose(np.random.default_rng(1), asked)
    np.testing.assert_allclose(logged, simulation.policy.propensity(asked, chosen), rtol=1e-12)
    shown, inverse = np.unique(chosen, axis=0, return_inverse=True)
    counts = np.bincount(inverse.ravel(), minlength=len(shown))
    assert simulation.is_legal(asked[: len(shown)], shown).all()
    expected = num_draws * propensities(simulation.policy, product, shown)
    frequent = expected > 5
    chi_squared = ((counts - expected) ** 2 / expected)[frequent].sum()
    freedom = int(frequent.sum())
    assert abs(chi_squared - freedom) < 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("name", ["pairs_sparse", "confounded", "jd_card"])
def test_another_products_element_has_propensity_zero(name: str) -> None:
    simulation = small(name)
    shown = simulation.policy.choose(np.random.default_rng(0), np.ones(8, dtype=np.int32))[0]
    assert simulation.policy.propensity(np.zeros(8, dtype=np.int32), shown).tolist() == [0.0] * 8


def test_highlights_never_repeat_and_forbidden_pairs_never_meet() -> None:
    simulation = simulate("jd_card", 10, seed=1)
    product = np.random.default_rng(0).integers(500, size=100_000).astype(np.int32)
    chosen, propensity = simulation.policy.choose(np.random.default_rng(1), product)
    highlights = np.sort(chosen[:, 2:5], axis=1)
    assert (np.diff(highlights, axis=1) > 0).all()
    assert simulation.is_legal(product, chosen).all()
    assert propensity.min() > 0
    assert (chosen[:, 5] == -1).any()
    assert (chosen[:, :5] >= 0).all()


def test_confounded_logging_favours_better_elements() -> None:
    simulation = simulate("confounded", 10, seed=1)
    own = simulation.world.own_effects()
    product = np.arange(2000, dtype=np.int32).repeat(20)
    chosen, _ = simulation.policy.choose(np.random.default_rng(0), product)
    uniform, _ = simulate("pairs_sparse", 10, seed=1).policy.choose(np.random.default_rng(0), product)
    assert own[chosen].mean() > own[uniform].mean() + 0.2


def test_mixed_softmax_by_hand() -> None:
    weight = np.array([[1.0], [3.0], [0.0]])
    np.testing.assert_allclose(mixed_softmax(weight), [[0.9 * 0.25 + 0.05], [0.9 * 0.75 + 0.05], [0.0]])
    np.testing.assert_allclose(mixed_softmax(np.array([[2.0]])), [[1.0]])


def test_inverse_cumulative_never_picks_probability_zero() -> None:
    cumulative = np.array([0.0, 0.25, 0.25, 1.0, 1.0])[:, None].repeat(4, axis=1)
    assert inverse_cumulative(cumulative, np.array([0.0, 0.25, 0.9, 1 - 2**-53])).tolist() == [1, 3, 3, 3]


def test_preferences_are_standardised_by_row() -> None:
    rows = np.array([[0, 1, -1], [2, 2, 2]], dtype=np.int32)
    believed = preferences(np.array([3.0, -3.0, 7.0]), rows, np.zeros((2, 3)))
    np.testing.assert_allclose(believed, [[np.sqrt(1.5), -np.sqrt(1.5), 0.0], [0.0, 0.0, 0.0]], atol=1e-12)
