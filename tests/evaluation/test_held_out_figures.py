"""Held-out figures by hand, and that a better model is called better."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from genco.evaluation.held_out_figures import held_out_figures, loss_gain
from genco.evaluation.logged import LoggedRows


def rows(probability: list[float], trials: list[float], reward: list[float]) -> LoggedRows:
    num = len(trials)
    values = [np.array(part, dtype=np.float32) for part in (trials, reward, np.zeros(num), probability)]
    return LoggedRows(np.zeros(num, np.int32), np.zeros((num, 1), np.int32), *values)


def test_two_rows_by_hand() -> None:
    found = held_out_figures(rows([0.5, 0.25], [1, 1], [1, 0]))
    first, second = log(2), -log(0.75)
    assert found.log_loss == pytest.approx((first + second) / 2, abs=1e-6)
    assert found.log_loss_se == pytest.approx(abs(first - second) / 2 / 2**0.5, abs=1e-6)
    assert (found.impressions, found.rate, found.auc) == (2, 0.5, 1.0)
    assert found.constant_log_loss == pytest.approx(log(2), abs=1e-6)


def test_the_gain_is_compared_row_by_row() -> None:
    good, poor = rows([0.9, 0.1], [2, 2], [2, 0]), rows([0.6, 0.4], [2, 2], [2, 0])
    gain = loss_gain(good, poor)
    assert gain.value == pytest.approx(log(0.9 / 0.6), abs=1e-6) == pytest.approx(gain.low, abs=1e-5)
    assert loss_gain(poor, good).value == pytest.approx(-gain.value, abs=1e-6)
    assert loss_gain(good, good).value == 0


def test_intervals_cover_the_difference() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(0.05, 0.5, 4_000)
    other = np.full(4_000, truth.mean())
    expected = float(np.mean(truth * np.log(truth / other) + (1 - truth) * np.log((1 - truth) / (1 - other))))
    inside = 0
    for _ in range(200):
        reward = (rng.random(4_000) < truth).astype(float).tolist()
        ones = [1.0] * 4_000
        gain = loss_gain(rows(truth.tolist(), ones, reward), rows(other.tolist(), ones, reward))
        inside += gain.low <= expected <= gain.high
    assert 180 <= inside <= 199


def test_without_rewards_there_is_no_auc() -> None:
    found = held_out_figures(rows([0.1, 0.2], [3, 1], [0, 0]))
    assert found.auc is None and found.rate == 0 and found.constant_log_loss == pytest.approx(0, abs=1e-6)
