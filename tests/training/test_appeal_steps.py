"""Rewards between passes along logistic curves, and Newton steps of context weights."""

from __future__ import annotations

import numpy as np
import pytest

from genco.training.appeal_steps import context_step, moving_rewards


@pytest.mark.parametrize("rate", [0.001, 0.2, 0.9])
@pytest.mark.parametrize("change", [-1.5, 0.0, 0.8])
def test_a_group_of_one_rate_moves_exactly(rate: float, change: float) -> None:
    """100 trials at one rate, 30 rewards: after the change the rate is the logistic function of the changed logit."""
    residual, curvature = np.array([30 - 100 * rate]), np.array([100 * rate * (1 - rate)])
    after = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + change)))
    found = moving_rewards(np.array([30.0]), residual, curvature)(np.array([change]))
    assert found[0][0] == pytest.approx(30 - 100 * after) and found[1][0] == pytest.approx(100 * after * (1 - after))


def test_groups_without_trials_stay_without() -> None:
    found = moving_rewards(np.zeros(1), np.zeros(1), np.zeros(1))(np.array([5.0]))
    assert np.abs(np.concatenate(found)).max() < 1e-6


def test_context_step_by_hand() -> None:
    """Contexts (0) and (2), groups 0 and 1 in the second: information 2 x 2 x (1 + 2) + 1 = 13, gradient 2 x 3."""
    contexts = np.array([[0.0], [2.0]], np.float32)
    groups = np.array([1, 1, 0], np.int32)
    step = context_step(contexts, groups, np.array([1.0, 2.0, 9.0]), np.array([1.0, 2.0, 9.0]))
    np.testing.assert_allclose(step, [6 / 13])
    assert context_step(contexts, groups, np.array([99.0, 2.0, 9.0]), np.ones(3)).tolist() == [1.0]
