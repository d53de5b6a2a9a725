"""Attribution: it adds up, it is the Shapley value, and its interval is as wide as the posterior."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kits.reward_model import check_scores_agree, rows_of, sampled, uplift_of
from tests.kits.small_models import bind_small, small_catalogue, small_context, small_model

from genco.data.catalogue import EMPTY, Slot
from genco.runtime.attribution import Attribution, attribute, slot_features
from genco.runtime.legal_space import legal_space
from genco.runtime.projection import KindProjection
from genco.runtime.reward_model import BoundRewardModel


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_adds_up_to_the_uplift(seed: int, residual: bool) -> None:
    bound = small_model(seed, residual=residual)
    for product in range(3):
        check_scores_agree(bound, product, small_context(seed))


def shapley(bound: BoundRewardModel, product: int, context: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Shapley values [slot] by all coalitions; absent slots are averaged over the independent uniform pool."""
    space = legal_space(bound.catalogue, product)
    table = (
        uplift_of(bound, product, rows_of(space, space.enumerate(10_000)), context).reshape(space.sizes).astype(float)
    )
    slots = range(space.num_slots)

    def value(present: tuple[int, ...]) -> float:
        at = table[tuple(int(positions[c]) if c in present else slice(None) for c in slots)]
        return float(np.mean(at))

    found = np.zeros(space.num_slots)
    n = space.num_slots
    for c in slots:
        others = [d for d in slots if d != c]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for group in combinations(others, size):
                found[c] += weight * (value((*group, c)) - value(group))
    return found


@pytest.mark.parametrize("product", [0, 2])
def test_is_the_shapley_value_over_the_average_legal_element(product: int) -> None:
    bound, context = small_model(1), small_context(1)
    space = legal_space(bound.catalogue, product)
    positions = sampled(space, num=4)
    positions[0, 3] = space.sizes[3] - 1  # an empty tag
    credit = attribute(bound, product, context, space, positions)
    for row, values in zip(positions, credit.total, strict=True):
        np.testing.assert_allclose(values, shapley(bound, product, context, row), atol=2e-5)


def test_hand_worked_two_slots() -> None:
    """One dimension, pools {0, 2} x {0, 4}: own 1 and 10, pair 100. Centred latents +-1 and +-2, pair 100 * 1 * 2."""
    slots = (Slot("title", "title"), Slot("image", "image"))
    bound = small_model(0, small_catalogue(1, slots), context=False, known=())
    keep = bound.catalogue.elements["element_id"].is_in(["p0.title0", "p0.title1", "p0.image0", "p0.image1"])
    theta = np.zeros(bound.model.layout.num_weights, np.float32)
    for block in bound.model.layout.blocks:
        theta[block.start] = {"own:title": 1, "own:image": 10, "pair:title|image": 100}[block.name]
    model = replace(bound.model, theta=theta, element_effect={})
    bound = bind_small(model, replace(bound.catalogue, elements=bound.catalogue.elements.filter(keep)))
    latents = np.zeros_like(bound.latents)
    latents[:4, 0] = [0, 2, 0, 4]
    bound = replace(bound, latents=latents)
    credit = attribute(bound, 0, np.zeros(2, np.float32), legal_space(bound.catalogue, 0), np.array([[1, 1]], np.int32))
    # own: 1 * 1 + 100 * 1 * mean(0, 4) = 201; 10 * 2 + 100 * 2 * mean(0, 2) = 220; half the pair 100 * 1 * 2
    assert credit.own.tolist() == [[201.0, 220.0]]
    assert credit.interaction.tolist() == [[100.0, 100.0]]
    assert credit.total.sum() == 621.0 == 2 * 1 + 10 * 4 + 100 * 2 * 4 - (1 * 1 + 10 * 2 + 100 * 1 * 2)


def certain(bound: BoundRewardModel, **changes: object) -> BoundRewardModel:
    """The model with content taken at its word."""
    projections = tuple(
        KindProjection(p.mean, p.loading, p.eigenvalues, 0.0, np.zeros_like(p.latent_noise))
        for p in bound.model.projections
    )
    return bind_small(replace(bound.model, projections=projections, **changes), bound.catalogue)


def test_deviation_is_that_of_posterior_draws() -> None:
    """Attributions at 4,000 drawn weights spread as the interval says; what elements hide is added in squares."""
    bound = certain(small_model(2))
    space, context = legal_space(bound.catalogue, 0), small_context()
    positions = sampled(space, num=5)
    rng = np.random.default_rng(0)
    theta = rng.multivariate_normal(bound.model.theta, bound.model.covariance, 4_000)
    rows = rows_of(space, positions)
    credit = attribute(bound, 0, context, space, positions)
    for slot in range(space.num_slots):
        drawn = sum(slot_features(bound, 0, context, rows, slot)) @ theta.T
        index = np.where(rows[:, slot] == EMPTY, len(bound.latents) - 1, rows[:, slot])
        expected = np.sqrt(drawn.var(axis=1) + bound.element_var[index])
        np.testing.assert_allclose(credit.deviation[:, slot], expected, rtol=0.06)


def test_deviation_counts_noisy_content() -> None:
    """Weights known, element effects off: only the latents of shown elements are uncertain. An empty slot has its half
    of the pairs with them."""
    bound = small_model(3)
    model = replace(
        bound.model, covariance=np.zeros_like(bound.model.covariance), element_effect={}, element_variance=0.0
    )
    bound = bind_small(model, bound.catalogue)
    space, context = legal_space(bound.catalogue, 0), small_context()
    positions = sampled(space, num=4)
    positions[0, 3] = space.sizes[3] - 1
    rows = rows_of(space, positions)
    deviation = attribute(bound, 0, context, space, positions).deviation
    rng = np.random.default_rng(1)
    layout = model.layout
    for at in range(len(rows)):
        drawn = []
        for _ in range(1_200):
            latents = bound.latents.copy()
            for slot, row in enumerate(rows[at]):
                if row != EMPTY:
                    noise = model.projections[layout.component_kind[layout.slot_component[slot]]].latent_noise
                    latents[row, : len(noise)] = bound.latents[row, : len(noise)] + rng.standard_normal(
                        len(noise)
                    ) * np.sqrt(noise)
            drawn.append(attribute_means(replace(bound, latents=latents), bound, context, rows[at : at + 1]))
        if rows[at, 2] != rows[at, 4]:
            np.testing.assert_allclose(deviation[at], np.std(drawn, axis=0), rtol=0.1, atol=1e-6)


def attribute_means(
    noisy: BoundRewardModel, bound: BoundRewardModel, context: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Attribution [slot] at the latents of `noisy`, the reference pool kept."""
    parts = [sum(slot_features(noisy, 0, context, rows, slot)) @ bound.model.theta for slot in range(rows.shape[1])]
    return np.array(parts)[:, 0]


def test_interval_is_symmetric_and_scales() -> None:
    credit = Attribution(np.array([[1.0]]), np.array([[0.5]]), np.array([[0.25]]), np.array([[2.0]]))
    assert credit.total.tolist() == [[1.75]]
    low, high = credit.interval(1.0)
    assert (float(low[0, 0]), float(high[0, 0])) == (-0.25, 3.75)
    low, high = credit.interval()
    assert float(high[0, 0] - low[0, 0]) == pytest.approx(2 * 1.959964 * 2)


def test_one_slot_has_no_interaction() -> None:
    bound = small_model(4, small_catalogue(1, (Slot("tag", "tag", required=False),)), known=())
    space = legal_space(bound.catalogue, 0)
    credit = attribute(bound, 0, small_context(), space, space.enumerate(10))
    assert not credit.interaction.any() and np.abs(credit.own.sum()) < 1e-5
