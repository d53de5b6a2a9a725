"""The Gaussian posterior and its prior scales: closed forms, planted scales, and shrinking to nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from genco.models.evidence import (
    SMALLEST_VARIANCE,
    GaussianStatistics,
    averaged_scales,
    fit_evidence,
    held_out_factor,
    solve_with,
    variance_component,
)
from genco.runtime.terms import TermLayout


def layout_of(*sizes: int) -> TermLayout:
    """One block `own:a`, `own:b`, ... of each size."""
    names = tuple("abcdef"[: len(sizes)])
    index = tuple(range(len(sizes)))
    return TermLayout(index, names, index, sizes, (0,) * len(sizes), (False,) * len(sizes), 0, pair=False)


def regression(
    layout: TermLayout, weights: np.ndarray, num: int, noise: float = 1.0, seed: int = 0
) -> GaussianStatistics:
    """Sufficient statistics of `y = X w + noise`."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((num, layout.num_weights))
    y = X @ weights + noise * rng.standard_normal(num)
    return GaussianStatistics(X.T @ X / noise**2, X.T @ y / noise**2)


def flat(layout: TermLayout) -> list[np.ndarray]:
    return [np.ones(rank, np.float32) for rank in layout.own_rank]


def test_hand_worked_posterior() -> None:
    """Prior variance 1/2, four observations of variance 1 with mean 3: precision 6, mean 12/6."""
    layout = layout_of(1)
    found = solve_with(
        GaussianStatistics(np.array([[4.0]]), np.array([12.0])), layout, flat(layout), 0.0, {"own:a": 0.5}
    )
    assert found.mean[0] == pytest.approx(2.0)
    assert found.covariance[0, 0] == pytest.approx(1 / 6)
    assert found.evidence == pytest.approx(0.5 * 12 * 2 - 0.5 * np.log(1 + 4 / 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 3.0), st.floats(0.01, 3.0))
def test_posterior_is_the_closed_form(seed: int, first: float, second: float) -> None:
    layout = layout_of(2, 3)
    statistics = regression(layout, np.arange(5.0), 12, seed=seed)
    found = solve_with(statistics, layout, flat(layout), 0.0, {"own:a": first, "own:b": second})
    prior = np.array([first] * 2 + [second] * 3)
    covariance = np.linalg.inv(statistics.information + np.diag(1 / prior))
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.mean, covariance @ statistics.linear, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.prior_variance, prior)


def test_evidence_ranks_priors_as_the_marginal_likelihood_does() -> None:
    """Differences of `evidence` are differences of log N(y; 0, I + X S X')."""
    layout, rng = layout_of(3), np.random.default_rng(0)
    X = rng.standard_normal((20, 3))
    y = X @ rng.standard_normal(3) + rng.standard_normal(20)
    statistics = GaussianStatistics(X.T @ X, X.T @ y)

    def evidence(variance: float) -> float:
        return solve_with(statistics, layout, flat(layout), 0.0, {"own:a": variance}).evidence

    def marginal(variance: float) -> float:
        return float(multivariate_normal(np.zeros(20), np.eye(20) + variance * X @ X.T).logpdf(y))

    assert evidence(2.0) - evidence(0.1) == pytest.approx(marginal(2.0) - marginal(0.1), abs=1e-8)


def test_block_variances_recover_planted_scales() -> None:
    """200 weights of scale 0.5, 200 of scale 0.1, 200 of none; the posterior mean beats any one common scale."""
    layout = layout_of(200, 200, 200)
    rng = np.random.default_rng(1)
    weights = np.concatenate([0.5 * rng.standard_normal(200), 0.1 * rng.standard_normal(200), np.zeros(200)])
    statistics = regression(layout, weights, 3_000, noise=2.0)
    found = fit_evidence(statistics, layout, flat(layout), 0.0, max_rounds=200)
    assert found.block_variance["own:a"] == pytest.approx(0.25, rel=0.2)
    assert found.block_variance["own:b"] == pytest.approx(0.01, rel=0.4)
    assert found.block_variance["own:c"] < 0.001
    error = float(np.square(found.mean - weights).sum())
    for variance in (0.25, 0.01):
        common = solve_with(statistics, layout, flat(layout), 0.0, dict.fromkeys(found.block_variance, variance))
        assert error < float(np.square(common.mean - weights).sum())


def test_a_block_without_support_shrinks_to_nothing() -> None:
    layout = layout_of(3)
    found = fit_evidence(GaussianStatistics(np.eye(3) * 1e4, np.zeros(3)), layout, flat(layout), 0.0)
    assert found.block_variance["own:a"] == SMALLEST_VARIANCE and not found.mean.any()


def test_averaged_scales_keep_a_width_where_the_most_probable_scale_is_zero() -> None:
    """No effect seen at a standard error of 0.01: scales of about that size cannot be told from none."""
    layout = layout_of(3, 2)
    information = np.diag([1e4, 1e4, 1e4, 0.0, 0.0])
    found = fit_evidence(GaussianStatistics(information, np.zeros(5)), layout, flat(layout), 0.0, max_rounds=200)
    scales = averaged_scales(found, layout, flat(layout), 0.0)
    assert 0.005 < np.sqrt(scales["own:a"]) < 0.05
    assert scales["own:b"] == found.block_variance["own:b"]


def test_averaged_scales_are_the_most_probable_ones_where_data_are_plenty() -> None:
    layout = layout_of(200)
    weights = 0.5 * np.random.default_rng(1).standard_normal(200)
    found = fit_evidence(regression(layout, weights, 3_000), layout, flat(layout), 0.0, max_rounds=200)
    scales = averaged_scales(found, layout, flat(layout), 0.0)
    assert found.block_variance["own:a"] <= scales["own:a"] < 1.05 * found.block_variance["own:a"]


def test_known_prior_variances_are_kept_and_others_learned() -> None:
    layout = layout_of(2, 40)
    known = {"own:a": np.array([0.03, 0.01])}
    weights = np.concatenate([[1.0, 1.0], 0.5 * np.random.default_rng(1).standard_normal(40)])
    statistics = regression(layout, weights, 500)
    found = fit_evidence(statistics, layout, flat(layout), 0.0, known=known)
    np.testing.assert_allclose(found.prior_variance[:2], [0.03, 0.01])
    assert found.block_variance["own:a"] == pytest.approx(0.02)
    assert found.block_variance["own:b"] == pytest.approx(0.25, rel=0.5)
    assert averaged_scales(found, layout, flat(layout), 0.0, known)["own:a"] == found.block_variance["own:a"]
    again = solve_with(statistics, layout, flat(layout), 0.0, found.block_variance, known)
    np.testing.assert_allclose(again.mean, found.mean)


def test_no_data_keeps_the_prior_mean() -> None:
    layout = layout_of(2)
    found = fit_evidence(GaussianStatistics(np.zeros((2, 2)), np.zeros(2)), layout, flat(layout), 0.0)
    assert not found.mean.any() and np.isfinite(found.covariance).all()


def test_content_that_is_all_alike_has_no_weights(capfd: pytest.CaptureFixture[str]) -> None:
    layout, nothing = layout_of(), np.zeros(0)
    statistics = GaussianStatistics(np.zeros((0, 0)), nothing)
    assert solve_with(statistics, layout, flat(layout), 0.0, {}).mean.shape == (0,)
    assert capfd.readouterr().err == ""


def test_gain_by_hand() -> None:
    """Log-likelihood 3 w - w^2 around no weight: 2 at weight 1 and at its mode 1.5 the most, 2.25."""
    statistics = GaussianStatistics(np.array([[2.0]]), np.array([3.0]))
    assert [statistics.gain(np.array([w])) for w in (0.0, 1.0, 1.5)] == [0.0, 2.0, 2.25]


def test_statistics_of_shards_add() -> None:
    layout = layout_of(4)
    a, b = (regression(layout, np.ones(4), 50, seed=seed) for seed in (1, 2))
    both = a + b
    np.testing.assert_array_equal(both.information, a.information + b.information)
    np.testing.assert_array_equal(both.linear, a.linear + b.linear)


def test_spectrum_shrinks_weak_directions() -> None:
    layout = layout_of(2)
    statistics = GaussianStatistics(np.eye(2), np.ones(2))
    found = solve_with(statistics, layout, [np.array([1.0, 0.01], np.float32)], 1.0, {"own:a": 1.0})
    assert found.mean[0] == pytest.approx(0.5) and found.mean[1] == pytest.approx(0.01 / 1.01, rel=1e-5)


def scores(deviation: float, num: int, seed: int, kept: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of `num` effects of the given spread, curvatures from 1 to 30."""
    rng = np.random.default_rng(seed)
    curvature = rng.uniform(1, 30, num)
    residual = rng.standard_normal(num) * np.sqrt(kept * curvature * (1 + curvature * deviation**2))
    return residual, curvature, np.full(num, kept)


@pytest.mark.parametrize("deviation", [0.2, 0.5])
@pytest.mark.parametrize("kept", [1.0, 0.7])
def test_variance_component_recovers_a_planted_spread(deviation: float, kept: float) -> None:
    assert np.sqrt(variance_component(*scores(deviation, 5_000, 0, kept))) == pytest.approx(deviation, rel=0.06)


def test_variance_component_of_none_stays_small() -> None:
    found = [np.sqrt(variance_component(*scores(0.0, 5_000, seed))) for seed in range(5)]
    assert max(found) < 0.08
    assert variance_component(np.zeros(3), np.zeros(3), np.ones(3)) == 0.0
    assert variance_component(np.zeros(0), np.zeros(0), np.zeros(0)) == 0.0


def test_few_effects_keep_an_honest_width() -> None:
    """Three elements say little: the average over the posterior stays above the maximum, which is zero."""
    assert 0 < variance_component(np.array([0.5, -0.5, 0.2]), np.ones(3), np.ones(3)) <= 1.0


def test_scales_stay_where_parts_agree_and_narrow_where_they_do_not() -> None:
    """Six parts of one regression keep the scale that drew its weights; noise four times the variance believed does
    not."""
    layout, weights = layout_of(40), 0.3 * np.random.default_rng(2).standard_normal(40)
    agreeing = [regression(layout, weights, 60, seed=seed) for seed in range(6)]
    assert held_out_factor(agreeing, layout, flat(layout), 0.0, {"own:a": 0.09}) == 1.0
    noisy = [regression(layout, weights, 60, noise=3.0, seed=seed) for seed in range(6)]
    believed = [GaussianStatistics(9 * part.information, 9 * part.linear) for part in noisy]
    assert held_out_factor(believed, layout, flat(layout), 0.0, {"own:a": 0.09}) < 0.5
