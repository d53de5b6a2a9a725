import numpy as np

from genco.runtime.arm_belief import ArmBelief
from genco.runtime.arm_posterior import ArmCounts, rates

ELEMENTS = np.array([(a, b) for a in range(3) for b in range(4)], dtype=np.int32)


def test_small_steps_stay_close_to_a_refit() -> None:
    """500 views of each arm, then 20 of one: conditioned, not fitted anew, and yet almost the same."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.01, 0.05, 12)
    first = ArmCounts(np.full(12, 500.0), rng.binomial(500, truth).astype(np.float64))
    step = ArmCounts(np.eye(12)[3] * 20, np.eye(12)[3] * 2)
    belief, whole = ArmBelief(ELEMENTS), ArmBelief(ELEMENTS)
    belief.learn(first)
    before = belief.posterior(0)
    belief.learn(step)
    whole.learn(first + step)
    np.testing.assert_array_equal(belief.counts.views, whole.counts.views)
    assert belief.posterior(0).mean[3] > before.mean[3]
    np.testing.assert_allclose(belief.posterior(0).mean, whole.posterior(0).mean, atol=0.05)


def test_before_any_view_all_arms_are_alike() -> None:
    posterior = ArmBelief(ELEMENTS).posterior(0)
    assert np.ptp(posterior.mean) == 0.0 and np.ptp(np.diagonal(posterior.covariance)) < 1e-12


def test_old_views_count_less() -> None:
    """1,000 views of half-life 500 are worth 250 once 1,000 more have come; the belief follows the new rates."""
    counts = [ArmCounts(np.full(12, 1_000.0), np.full(12, 1_000.0) * rate) for rate in (0.04, 0.02)]
    belief, all_alike = ArmBelief(ELEMENTS, half_life=12 * 500), ArmBelief(ELEMENTS)
    for each in counts:
        belief.learn(each)
        all_alike.learn(each)
    np.testing.assert_allclose(belief.counts.views, 1_250.0)
    found, of_all = (rates(each.posterior(0).mean) for each in (belief, all_alike))
    assert found.max() < 0.028 < 0.0295 < of_all.min()
