import numpy as np
import pytest

from genco.runtime.arm_posterior import ArmPosterior
from genco.runtime.lookahead import NODES, WEIGHTS, lookahead_value


def test_one_batch_to_come_is_greedy() -> None:
    posterior = ArmPosterior(np.array([-4.0, -3.5, -3.9]), np.eye(3))
    np.testing.assert_array_equal(lookahead_value(posterior, 1_000, 1), posterior.mean)


def test_two_arms_by_hand() -> None:
    """Arm 0 is known at 0; arm 1 has mean -0.1, variance 1; a view of precision 1/4, 4 views a batch, 2 batches.

    One batch of arm 1 moves its mean by 1 / sqrt(1 + 1) = 0.707 z; of arm 0 nothing.
    """
    posterior = ArmPosterior(np.array([0.0, -0.1]), np.diag([1e-12, 1.0]))
    precision = posterior.precision_per_view[1]
    move = 1 / np.sqrt(1 + 1 / (4 * precision))
    after = WEIGHTS @ np.maximum(0.0, -0.1 + move * NODES)
    found = lookahead_value(posterior, 4, 2)
    assert found[1] == pytest.approx((-0.1 + after) / 2)
    assert found[0] == pytest.approx(0.0, abs=1e-5)


def test_a_longer_horizon_explores_more() -> None:
    posterior = ArmPosterior(np.array([-3.5, -3.8]), np.diag([1e-4, 0.25]))
    assert lookahead_value(posterior, 1_000, 2).argmax() == 0
    assert lookahead_value(posterior, 1_000, 60).argmax() == 1


def test_what_an_arm_tells_of_others_counts() -> None:
    """Arms 1 and 2 look alike, but 1 tells of 3 as well."""
    covariance = np.diag([1e-6, 0.1, 0.1, 0.1])
    covariance[1, 3] = covariance[3, 1] = -0.09
    found = lookahead_value(ArmPosterior(np.array([-3.5, -3.6, -3.6, -3.6]), covariance), 1_000, 20)
    assert found[1] > found[2]


def test_only_the_promising_are_compared() -> None:
    found = lookahead_value(ArmPosterior(np.linspace(-5, -3, 60), 1e-6 * np.eye(60)), 1_000, 10)
    assert np.isfinite(found).sum() == 40 and np.isneginf(found[:20]).all()
