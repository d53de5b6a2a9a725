import numpy as np
import pytest
from scipy.stats import chisquare

from genco.errors import ConfigError
from genco.policies.arm_policy import ArmPolicyConfig, ItemArms, ItemPlan
from genco.runtime.arm_posterior import ArmCounts, ArmModel, ArmPosterior

ELEMENTS = np.array([(3, 1), (0, 2), (0, 1), (3, 2), (5, 1)], dtype=np.int32)
RNG = np.random.default_rng(0)


def test_arms_and_positions() -> None:
    arms = ItemArms(ELEMENTS)
    assert arms.space.sizes == (3, 2)
    np.testing.assert_array_equal(arms.arms(arms.positions), np.arange(5))
    assert arms.space.is_legal(arms.positions).all()
    assert not arms.space.is_legal(np.array([[2, 1]], dtype=np.int32)).any()


def test_propensities_are_exact() -> None:
    posterior = ArmPosterior(np.array([-4.0, -3.9, -4.1, -4.0, -3.95]), 0.1 * np.eye(5))
    plan = ItemPlan(ItemArms(ELEMENTS), ArmPolicyConfig(epsilon=0.3))
    decision = plan.decision(posterior, 1_000, RNG)
    propensity = decision.propensity(plan.arms.positions)
    assert propensity.sum() == pytest.approx(1.0) and propensity.min() > 0
    served = plan.serve(posterior, 40_000, np.random.default_rng(0))
    expected = ItemPlan(plan.arms, plan.config).decision(posterior, 40_000, RNG).propensity(plan.arms.positions)
    assert chisquare(np.bincount(served, minlength=5), 40_000 * expected).pvalue > 0.001


def test_a_batch_spreads_over_what_is_worth_trying() -> None:
    model = ArmModel(ELEMENTS)
    plan = ItemPlan(ItemArms(ELEMENTS), ArmPolicyConfig(portions=4))
    decision = plan.decision(model.prior(), 1_000, RNG)
    assert len(decision.won.share) > 1


def test_waiting_views_are_not_tried_again() -> None:
    """Arm 0 would be tried; with 10,000 of its views still to be told, another is."""
    posterior = ArmPosterior(np.array([-3.5, -3.6, -3.6, -3.6, -3.6]), np.diag([1e-5, 0.2, 0.19, 0.01, 0.01]))
    plan = ItemPlan(ItemArms(ELEMENTS), ArmPolicyConfig(portions=1))
    before = plan.arms.arms(plan.decision(posterior, 1_000, RNG).won.positions)
    plan.waiting[1] = 1e6
    after = plan.arms.arms(plan.decision(posterior, 1_000, RNG).won.positions)
    assert before.tolist() == [1] and after.tolist() == [2]
    plan.told(np.full(5, 2e6))
    assert not plan.waiting.any()


def test_propensities_stay_exact_while_clicks_come_late() -> None:
    """Thirty batches, outcomes told one batch later: every distribution sums to 1 over the arms, none of them at 0."""
    rng = np.random.default_rng(2)
    plan, posterior = ItemPlan(ItemArms(ELEMENTS), ArmPolicyConfig()), ArmModel(ELEMENTS).prior()
    late = np.zeros(5)
    for _ in range(30):
        propensity = plan.decision(posterior, 500, rng).propensity(plan.arms.positions)
        assert propensity.sum() == pytest.approx(1.0) and propensity.min() >= plan.config.epsilon / 6
        served = np.bincount(plan.serve(posterior, 500, rng), minlength=5).astype(np.float64)
        posterior = posterior.given(ArmCounts(late, np.floor(0.03 * late)))
        plan.told(late)
        late = served


def test_a_single_view_and_a_single_arm() -> None:
    plan = ItemPlan(ItemArms(ELEMENTS[:1]), ArmPolicyConfig())
    assert plan.serve(ArmModel(ELEMENTS[:1]).prior(), 1, np.random.default_rng(0)).tolist() == [0]


def test_a_wrong_configuration() -> None:
    with pytest.raises(ConfigError, match="`portions` should be positive"):
        ArmPolicyConfig(portions=0)
    with pytest.raises(ConfigError, match="`horizon` should not be negative"):
        ArmPolicyConfig(horizon=-1.0)
    with pytest.raises(ConfigError, match="`half_life` should be positive"):
        ArmPolicyConfig(half_life=0.0)


def test_many_items_are_drawn_and_the_share_of_draws_is_the_propensity() -> None:
    posterior = ArmPosterior(np.array([-4.0, -3.9, -4.1, -4.0, -3.95]), 0.5 * np.eye(5))
    plan = ItemPlan(ItemArms(ELEMENTS), ArmPolicyConfig(epsilon=0.05, num_draws=50, width=0.5), among=100)
    decision = plan.decision(posterior, 60, np.random.default_rng(1))
    assert len(decision.won.share) > 2 and np.allclose(decision.won.share * 50, np.round(decision.won.share * 50))
    assert decision.propensity(plan.arms.positions).sum() == pytest.approx(1.0)
    narrow = ItemPlan(plan.arms, ArmPolicyConfig(width=0.0), among=100).decision(posterior, 60, RNG)
    assert plan.arms.arms(narrow.won.positions).tolist() == [1]
