import numpy as np
import pytest
from scipy.stats import multivariate_normal

from genco.errors import DataError
from genco.runtime.arm_posterior import BASE_LOGIT, ArmCounts, ArmModel, ArmPosterior, PriorPoint, rates, share_kernels

ELEMENTS = np.array([(a, b) for a in range(2) for b in range(3)], dtype=np.int32)
POINT = PriorPoint(0.3, (0.5, 0.3, 0.2), 1.0)
OTHER = PriorPoint(0.05, (0.1, 0.1, 0.8), 3.0)


def some_counts() -> ArmCounts:
    return ArmCounts(np.array([300.0, 50, 0, 700, 20, 100]), np.array([9.0, 0, 0, 12, 3, 2]))


def by_brute_force(point: PriorPoint, counts: ArmCounts, mode: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log evidence of the pseudo-observations, mean and covariance, by inverses of full matrices."""
    kernel = ArmModel(ELEMENTS).kernel(point)
    rate = rates(mode)
    shown = np.flatnonzero(counts.views)
    precision = (counts.views * rate * (1 - rate))[shown]
    observed = mode[shown] + (counts.clicks - counts.views * rate)[shown] / precision
    design = np.eye(len(mode))[shown]
    covariance = np.linalg.inv(np.linalg.inv(kernel) + design.T @ np.diag(precision) @ design)
    mean = BASE_LOGIT + covariance @ design.T @ (precision * (observed - BASE_LOGIT))
    marginal = multivariate_normal(np.full(len(shown), BASE_LOGIT), design @ kernel @ design.T + np.diag(1 / precision))
    return float(marginal.logpdf(observed)), mean, covariance


def test_kernels_by_hand() -> None:
    """Arms (0, 0) and (0, 1) share one slot of two and no pair."""
    own, pair, rest = share_kernels(ELEMENTS)
    assert own[0, 1] == 0.5 and own[0, 0] == 1.0 and own[0, 4] == 0.0
    np.testing.assert_array_equal(pair, np.eye(6))
    np.testing.assert_array_equal(rest, np.eye(6))


def test_one_prior_point_is_the_exact_gaussian() -> None:
    mode = np.linspace(-4.2, -3.2, 6)
    found = ArmModel(ELEMENTS, [POINT]).fit(some_counts(), mode)
    _, mean, covariance = by_brute_force(POINT, some_counts(), mode)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-8)


def test_prior_points_are_weighed_by_marginal_likelihood() -> None:
    mode = np.linspace(-4.2, -3.2, 6)
    found = ArmModel(ELEMENTS, [POINT, OTHER]).fit(some_counts(), mode)
    parts = [by_brute_force(point, some_counts(), mode) for point in (POINT, OTHER)]
    weight = np.array([np.exp(part[0] - parts[0][0]) * p.weight for part, p in zip(parts, (POINT, OTHER), strict=True)])
    weight /= weight.sum()
    mean = sum(w * part[1] for w, part in zip(weight, parts, strict=True))
    second = sum(w * (part[2] + np.outer(part[1], part[1])) for w, part in zip(weight, parts, strict=True))
    np.testing.assert_allclose(found.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(found.covariance, second - np.outer(mean, mean), atol=1e-8)


def test_conditioning_equals_fitting_at_the_same_mode() -> None:
    model = ArmModel(ELEMENTS, [POINT])
    prior = model.prior()
    found = prior.given(some_counts())
    _, mean, covariance = by_brute_force(POINT, some_counts(), found.mean)
    np.testing.assert_allclose(found.mean, mean, atol=1e-2)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-2)
    _, _, covariance = by_brute_force(POINT, some_counts(), prior.mean)
    waiting = prior.awaiting(some_counts().views)
    np.testing.assert_array_equal(waiting.mean, prior.mean)
    np.testing.assert_allclose(waiting.covariance, covariance, atol=1e-8)
    assert prior.awaiting(np.zeros(6)) is prior and prior.given(ArmCounts(np.zeros(6), np.zeros(6))) is prior


def test_a_rare_arm_that_is_clicked_is_not_overrated() -> None:
    """At a prior mean of -6, 12 clicks of 233 views ask for a step of 20; the mode is where the gradient vanishes."""
    found = ArmPosterior(np.array([-6.0]), np.eye(1)).given(ArmCounts(np.array([233.0]), np.array([12.0])))
    assert 12 - 233 * rates(found.mean[0]) - (found.mean[0] + 6) == pytest.approx(0.0, abs=0.1)
    never = ArmPosterior(np.array([3.0]), 4 * np.eye(1)).given(ArmCounts(np.array([1e4]), np.array([0.0])))
    assert -10 < never.mean[0] < -4 and np.isfinite(never.covariance).all()


def test_many_views_find_the_rates() -> None:
    truth = np.array([0.02, 0.05, 0.03, 0.01, 0.04, 0.02])
    counts = ArmCounts(np.full(6, 1e7), 1e7 * truth)
    mode = np.full(6, -3.5)
    for _ in range(8):
        posterior = ArmModel(ELEMENTS).fit(counts, mode)
        mode = posterior.mean
    np.testing.assert_allclose(rates(posterior.mean), truth, rtol=1e-2)
    assert np.diagonal(posterior.covariance).max() < 1e-4


def test_degenerate() -> None:
    one = ArmModel(np.zeros((1, 1), dtype=np.int32))
    assert one.fit(ArmCounts(np.zeros(1), np.zeros(1)), np.zeros(1)).mean == pytest.approx(BASE_LOGIT)
    assert one.fit(ArmCounts(np.array([100.0]), np.zeros(1)), np.array([-4.0])).mean[0] < BASE_LOGIT
    with pytest.raises(DataError, match="between 0 and its views"):
        ArmCounts(np.array([1.0]), np.array([2.0]))


def test_counts_add_up() -> None:
    arms, clicks = np.array([0, 2, 2, 1, 2]), np.array([1, 0, 1, 0, 1])
    whole = ArmCounts.of(arms, clicks, 3)
    parts = ArmCounts.of(arms[:2], clicks[:2], 3) + ArmCounts.of(arms[2:], clicks[2:], 3)
    np.testing.assert_array_equal(whole.views, [1, 1, 3])
    np.testing.assert_array_equal(whole.clicks, [1, 0, 2])
    np.testing.assert_array_equal(parts.views, whole.views)
    np.testing.assert_array_equal(parts.clicks, whole.clicks)


def test_precision_of_a_view() -> None:
    assert ArmPosterior(np.zeros(1), np.eye(1)).precision_per_view[0] == 0.25
