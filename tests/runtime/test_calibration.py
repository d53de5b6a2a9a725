"""Calibration: a planted slope and intercept come back from much data, little data moves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genco.runtime.calibration import fit_calibration


def rows(slope: float, intercept: float, trials: float, num: int = 400, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Expected rewards of rows under the planted calibration."""
    rng = np.random.default_rng(seed)
    appeal, uplift = rng.normal(-3, 0.5, num), rng.normal(0, 0.6, num)
    count = np.full(num, trials)
    return appeal, uplift, count, count / (1 + np.exp(-(appeal + slope * uplift + intercept)))


def test_hand_worked_intercept() -> None:
    """No uplift: the root of 90 - 1000 s(b - 2) = b / 0.01, found by bisection."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 90 - 1000 / (1 + np.exp(2 - middle)) - middle / 0.01 > 0 else (low, middle)
    one = np.ones(1)
    slope, intercept = fit_calibration(-2 * one, 0 * one, 1000 * one, 90 * one)
    assert slope == 1.0 and intercept == pytest.approx(low, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.6, 1.4), st.floats(-0.4, 0.4))
def test_planted_values_come_back(slope: float, intercept: float) -> None:
    found = fit_calibration(*rows(slope, intercept, trials=1e6))
    assert found == (pytest.approx(slope, abs=1e-3), pytest.approx(intercept, abs=1e-3))


def test_little_data_stays_near_one_and_zero() -> None:
    slope, intercept = fit_calibration(*rows(0.3, 0.5, trials=0.05))
    assert 0.97 < slope <= 1 and 0 <= intercept < 0.02


def test_aggregated_rows_and_single_rows_are_the_same() -> None:
    appeal, uplift, trials, reward = rows(0.8, 0.1, trials=50)
    twice = [np.repeat(part, 2) for part in (appeal, uplift)]
    halves = fit_calibration(*twice, np.repeat(trials / 2, 2), np.repeat(reward / 2, 2))
    assert halves == pytest.approx(fit_calibration(appeal, uplift, trials, reward), abs=1e-9)


@pytest.mark.parametrize("reward", [0.0, 1.0], ids=["no click", "clicks only"])
def test_degenerate_rewards_stay_finite(reward: float) -> None:
    appeal, uplift, trials, _ = rows(1.0, 0.0, trials=100)
    assert np.isfinite(fit_calibration(appeal, uplift, trials, trials * reward)).all()


def test_no_rows_change_nothing() -> None:
    none = np.zeros(0)
    assert fit_calibration(none, none, none, none) == (1.0, 0.0)
    assert fit_calibration(np.ones(3), np.ones(3), np.zeros(3), np.zeros(3)) == (1.0, 0.0)
