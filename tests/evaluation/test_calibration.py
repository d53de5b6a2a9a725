"""Expected calibration error: by hand, from shards, and near zero where predictions are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genco.evaluation.calibration import CalibrationBins, equal_mass_bins


def test_by_hand() -> None:
    """Two bins cut at 0.3: |0.2 * 10 - 1| + |0.5 * 10 - 6| over 20 impressions."""
    bins = CalibrationBins.empty(np.array([0.3])).update(np.array([0.2, 0.5]), np.full(2, 10.0), np.array([1.0, 6.0]))
    assert bins.error == pytest.approx(2 / 20)
    assert bins.trials.tolist() == [10, 10]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 50))
def test_shards_add_up(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    probability, trials = rng.random(50), rng.integers(1, 5, 50).astype(float)
    reward = rng.binomial(trials.astype(int), probability).astype(float)
    empty = equal_mass_bins(probability, 5)
    whole = empty.update(probability, trials, reward)
    parts = empty.update(probability[:cut], trials[:cut], reward[:cut]) + empty.update(
        probability[cut:], trials[cut:], reward[cut:]
    )
    for name in ("trials", "predicted", "observed"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name))
    assert parts.error == pytest.approx(whole.error)


def test_right_predictions_have_a_small_error_and_wrong_ones_their_own() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.02, 0.1, 50_000)
    reward = rng.binomial(1, probability).astype(float)
    ones = np.ones(50_000)
    assert equal_mass_bins(probability).update(probability, ones, reward).error < 0.005
    assert equal_mass_bins(probability + 0.05).update(probability + 0.05, ones, reward).error == pytest.approx(
        0.05, abs=3e-3
    )


def test_bins_hold_equal_mass() -> None:
    probability = np.random.default_rng(0).random(1_000)
    bins = equal_mass_bins(probability).update(probability, np.ones(1_000), np.zeros(1_000))
    assert len(bins.trials) == 10 and np.ptp(bins.trials) <= 1


def test_bins_of_other_edges_do_not_add() -> None:
    with pytest.raises(ValueError, match="`edges` are equal"):
        CalibrationBins.empty(np.array([0.1])) + CalibrationBins.empty(np.array([0.2]))


def test_degenerate_predictions() -> None:
    assert np.isnan(equal_mass_bins(np.zeros(0)).error)
    same = equal_mass_bins(np.full(7, 0.3)).update(np.full(7, 0.3), np.ones(7), np.ones(7))
    assert same.error == pytest.approx(0.7) and same.trials.sum() == 7
