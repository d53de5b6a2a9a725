"""Levels of products: free while weights are learned, shrunk when served; a selective log bends no weight."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kits.small_logs import centred_features, small_log, tables_of, with_rewards
from tests.kits.small_models import small_catalogue, small_model

from genco.training.product_levels import learned_variance, level_penalty, level_step
from genco.training.reward_model_config import RewardModelConfig
from genco.training.reward_model_loop import AdditiveFit


def test_one_step_by_hand() -> None:
    """Two logged products, intercept only: information 4 each, variance 1, hence trust 0.8; the third has the mean."""
    logit, gradient = np.zeros(3), np.array([2.0, -1.0, 0.0])
    levels, weights = level_step(logit, gradient, np.array([4.0, 4.0, 0.0]), np.ones((3, 1)), 1.0)
    np.testing.assert_allclose(weights, [0.125], atol=1e-6)
    np.testing.assert_allclose(levels, [0.125 + 0.8 * 0.375, 0.125 - 0.8 * 0.375, 0.125], atol=1e-6)


def test_a_step_is_bounded() -> None:
    levels, _ = level_step(np.zeros(2), np.array([50.0, -50.0]), np.ones(2), np.ones((2, 1)), 4.0)
    assert np.abs(levels).max() == pytest.approx(0.7)


def test_penalty_by_hand() -> None:
    """Levels 0 and 2 under variance 4: the mean is 1, so (1 + 1) / 8. One at the mean costs nothing."""
    assert level_penalty(np.array([0.0, 2.0]), np.ones((2, 1)), 4.0) == pytest.approx(0.25)
    assert level_penalty(np.array([3.0]), np.ones((1, 1)), 4.0) == pytest.approx(0.0, abs=1e-12)


def test_spread_is_learned() -> None:
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(4_000), rng.standard_normal(4_000)])
    level = design @ [-1.0, 0.5] + 0.4 * rng.standard_normal(4_000)
    information = rng.uniform(5, 60, 4_000)
    seen = level + rng.standard_normal(4_000) / np.sqrt(information)
    found = learned_variance(np.zeros(4_000), information * seen, information, design, 1.0)
    assert np.sqrt(found) == pytest.approx(0.4, rel=0.05)


def test_a_policy_that_knows_good_elements_bends_no_weight() -> None:
    """Appealing products carry better-looking elements, good combinations are shown most: the uplift keeps its size.

    With levels drawn towards a common mean the error of the uplift went with the level (correlation 0.17).
    """
    bound = small_model(1, small_catalogue(400), known=())
    layout, tables = bound.model.layout, tables_of(bound)
    log, rng = small_log(bound, 60_000), np.random.default_rng(4)
    uplift = centred_features(layout, tables, log) @ (0.05 * rng.standard_normal(layout.num_weights))
    good = rng.random(len(log)) < np.exp(np.clip(6.0 * (uplift - 0.2), -9, 0))
    log, uplift = log.take(good), uplift[good]
    looks = tables.pool_mean.sum(axis=(1, 2))
    level = (-2.5 + 0.4 * (looks - looks.mean()) / looks.std())[log.product]
    log = with_rewards(log, level + uplift, 5)
    spectrum = [np.ones(max(rank, 1), np.float32)[:rank] for rank in layout.own_rank]
    features = np.zeros((log.num_products, 0), np.float32)
    fit = AdditiveFit(log, layout, tables, features, spectrum, RewardModelConfig(element_effects=False))
    result = fit.run()
    found = fit.model(result.state).uplift_of(log).numpy()
    assert abs(np.corrcoef(found - uplift, level)[0, 1]) < 0.1
    assert found.mean() == pytest.approx(uplift.mean(), rel=0.03)
    assert np.sqrt(result.state.product_variance) == pytest.approx(0.4, rel=0.1)
