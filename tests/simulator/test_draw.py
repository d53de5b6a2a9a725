"""Drawn worlds have the moments that the scenarios state."""

from __future__ import annotations

import numpy as np
import pytest

from genco.simulator.draw import draw_world, inferred_style, rotate, slot_pools
from genco.simulator.scenarios import SCENARIOS


def test_moments() -> None:
    drawn = draw_world(SCENARIOS["pairs_sparse"], seed=1)
    world = drawn.world
    assert world.appeal.mean() == pytest.approx(-3.5, abs=0.06)
    assert world.appeal.std() == pytest.approx(0.7, abs=0.04)
    assert world.style.std() == pytest.approx(1.0, abs=0.01)
    assert world.idio.std() == pytest.approx(1.0, abs=0.02)
    assert (drawn.hints["appeal_hint"] - world.appeal).std() == pytest.approx(0.3, abs=0.02)
    assert set(drawn.hints) == {"appeal_hint", "noise_1", "noise_2", "noise_3"}
    assert world.bilinear.shape == (4, 4, 8, 8)
    assert world.hidden.std() == pytest.approx(1 / np.sqrt(32), rel=0.1)
    assert world.readout.shape == (32,)


def test_content_is_style_times_mixing_plus_noise() -> None:
    drawn = draw_world(SCENARIOS["pairs_sparse"], seed=1)
    style, content = drawn.world.style.astype(float), drawn.content.astype(float)
    mixing = np.linalg.lstsq(style, content, rcond=None)[0]
    assert (content - style @ mixing).std() == pytest.approx(0.3, abs=0.003)
    assert mixing.var() == pytest.approx(1 / 8, rel=0.35)


def test_inferred_style_is_ridge_regression_on_the_mixing() -> None:
    mixing = np.random.default_rng(0).standard_normal((8, 16)) / np.sqrt(8)
    content = np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32)
    ridge = content @ np.linalg.inv(mixing.T @ mixing + 0.09 * np.eye(16)) @ mixing.T
    np.testing.assert_allclose(inferred_style(content, mixing), ridge, atol=1e-5)


def test_inferred_style_is_near_the_style() -> None:
    world = draw_world(SCENARIOS["pairs_dense"], seed=1).world
    explained = 1 - ((world.style - world.content_style) ** 2).mean() / (world.style**2).mean()
    assert 0.7 < explained < 0.97


def test_rotation_keeps_length_and_turns_by_the_angle() -> None:
    tastes = np.random.default_rng(0).standard_normal((6, 8))
    turned = rotate(tastes, 90.0, np.random.default_rng(1))
    np.testing.assert_allclose((tastes * turned).sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(tastes, axis=1))


def test_pools_of_shared_components_are_shared() -> None:
    pools = slot_pools(SCENARIOS["jd_card"], 2)
    assert [pool[0] for pool in pools] == [86, 98, 108, 108, 108, 123]
    assert [len(pool) for pool in pools] == [12, 10, 15, 15, 15, 6]


def test_worlds_of_one_seed_share_what_they_can() -> None:
    sparse, cold = (draw_world(SCENARIOS[name], seed=1).world for name in ("pairs_sparse", "cold"))
    np.testing.assert_array_equal(sparse.style, cold.style)
    np.testing.assert_array_equal(sparse.appeal, cold.appeal)
