import numpy as np

from genco.runtime.arm_posterior import BASE_LOGIT, ArmCounts, rates
from genco.runtime.shared_belief import GROUP_VARIANCE, PRIOR_VARIANCE, SharedBelief

ITEM = np.repeat(np.arange(6, dtype=np.int32), 6)
ELEMENTS = np.tile(np.array([(a, b) for a in range(2) for b in range(3)], dtype=np.int32), (6, 1))
FIELDS = np.array([[0], [0], [0], [1], [1], [1]], dtype=np.int32)


def test_before_any_view() -> None:
    """Eight effects: level, item, own x 2, pair, combination, field x own x 2."""
    posterior = SharedBelief(ITEM, ELEMENTS, FIELDS).posterior(2)
    np.testing.assert_allclose(posterior.mean, BASE_LOGIT)
    np.testing.assert_allclose(
        np.diagonal(posterior.covariance), sum(PRIOR_VARIANCE.values()) + PRIOR_VARIANCE["own"] + 2 * GROUP_VARIANCE
    )


def test_what_one_item_shows_is_believed_of_the_others() -> None:
    """Element 1 of slot 0 is better everywhere; items 0 to 4 are shown, item 5 never."""
    truth = np.where(ELEMENTS[:, 0] == 1, 0.08, 0.04)
    views = np.where(ITEM < 5, 2_000.0, 0.0)
    belief = SharedBelief(ITEM, ELEMENTS, FIELDS)
    for _ in range(3):
        belief.learn(ArmCounts(views, views * truth))
    unseen = belief.posterior(5)
    assert unseen.mean[3:].min() > unseen.mean[:3].max() + 0.4
    np.testing.assert_allclose(rates(belief.posterior(0).mean), truth[:6], rtol=0.05)
    assert np.diagonal(belief.posterior(5).covariance).mean() > np.diagonal(belief.posterior(0).covariance).mean()


def test_fields_differ() -> None:
    """Element 0 of slot 0 is better under field value 0, element 1 under value 1."""
    truth = np.where(ELEMENTS[:, 0] == FIELDS[ITEM, 0], 0.08, 0.04)
    views = np.full(36, 3_000.0)
    belief = SharedBelief(ITEM, ELEMENTS, FIELDS)
    belief.learn(ArmCounts(views, views * truth))
    for item, best in ((0, 0), (5, 1)):
        assert ELEMENTS[belief.posterior(item).mean.argmax(), 0] == best


def test_a_wrong_first_level_is_no_effect_of_what_is_shown() -> None:
    """The first few views say 2%, all later ones 4%, of one combination per item only: it is the level that differs."""
    belief = SharedBelief(ITEM, ELEMENTS, FIELDS)
    belief.learn(ArmCounts(np.full(36, 10.0), np.full(36, 0.2)))
    shown = np.where(np.arange(36) % 6 == 2, 20_000.0, 0.0)
    belief.learn(ArmCounts(shown, shown * 0.04))
    mean = belief.posterior(0).mean
    np.testing.assert_allclose(rates(mean[2]), 0.04, rtol=0.05)
    assert mean[2] - np.delete(mean, 2).mean() < 0.5 < np.log(2)


def test_old_views_count_less() -> None:
    belief = SharedBelief(ITEM, ELEMENTS, FIELDS, half_life=36 * 500)
    for rate in (0.04, 0.02):
        belief.learn(ArmCounts(np.full(36, 1_000.0), np.full(36, 1_000.0) * rate))
    np.testing.assert_allclose(belief.counts.views, 1_250.0)
    np.testing.assert_allclose(rates(belief.posterior(0).mean), 0.024, rtol=0.02)


def test_what_is_shared_is_part_of_what_is_known() -> None:
    """Same means; what an item has for itself adds to the covariance and is left out."""
    belief = SharedBelief(ITEM, ELEMENTS, FIELDS)
    belief.learn(ArmCounts(np.full(36, 50.0), np.arange(36) % 4.0))
    whole, shared = belief.posterior(1), belief.shared_posterior(1)
    np.testing.assert_array_equal(whole.mean, shared.mean)
    difference = np.diagonal(whole.covariance) - np.diagonal(shared.covariance)
    assert difference.min() > 0
    assert np.linalg.eigvalsh(shared.covariance).min() > -1e-9


def test_rates_far_apart_are_found() -> None:
    """One item in six is clicked every second time, the others once in a thousand views."""
    truth = np.where(ITEM == 0, 0.5, 0.001)
    belief = SharedBelief(ITEM, ELEMENTS, FIELDS)
    for _ in range(5):
        belief.learn(ArmCounts(np.full(36, 1_000.0), 1_000.0 * truth))
    for item in (0, 5):
        np.testing.assert_allclose(rates(belief.posterior(item).mean), truth[item * 6], rtol=0.3)
