"""Principal components of content: a planted subspace, its noise and its rank come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genco.runtime.projection import fit_projection, identity_projection, profile_rank


def planted(
    rank: int, num: int = 3_000, dim: int = 20, noise: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Content `z W' + noise` and W [dim, rank], rows of equal length so that the spectrum is flat."""
    rng = np.random.default_rng(seed)
    loading = np.linalg.qr(rng.standard_normal((dim, rank)))[0] * 2.0
    content = rng.standard_normal((num, rank)) @ loading.T + noise * rng.standard_normal((num, dim)) + 5.0
    return content.astype(np.float32), loading


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_planted_rank_subspace_and_noise_come_back(rank: int) -> None:
    content, loading = planted(rank)
    found = fit_projection(content, max_rank=16)
    assert found.rank == rank
    assert found.noise == pytest.approx(0.09, rel=0.05)
    found_space, true_space = np.linalg.qr(found.loading)[0], loading / 2
    cosines = np.linalg.svd(found_space.T @ true_space, compute_uv=False)
    assert cosines.min() > 0.99
    np.testing.assert_allclose(found.mean, 5.0, atol=0.15)
    np.testing.assert_allclose(found.latent_noise, 0.09 / 4.09, rtol=0.15)


def test_latents_are_posterior_means_of_a_unit_prior() -> None:
    """With W'W = 4 and noise 0.09 the posterior mean has variance 4 / 4.09, and the posterior 0.09 / 4.09."""
    content, _ = planted(3, num=20_000)
    found = fit_projection(content, 16)
    latents = (content - found.mean) @ found.loading
    np.testing.assert_allclose(np.cov(latents.T), np.eye(3) * 4 / 4.09, atol=0.02)
    np.testing.assert_allclose(latents.var(axis=0) + found.latent_noise, 1.0, atol=0.02)


def test_hand_worked_two_by_two() -> None:
    """Rows (+-2, 0), (0, +-1): eigenvalues 8/3 and 2/3 (ddof 1), axes as given; no noise floor in two dimensions."""
    content = np.array([[2, 0], [-2, 0], [0, 1], [0, -1]], np.float32)
    found = fit_projection(content, max_rank=2)
    assert found.eigenvalues[0] == pytest.approx(8 / 3)
    assert abs(found.loading[1, 0]) == pytest.approx(0, abs=1e-6)
    if found.rank == 2:
        assert found.noise == 0 and found.eigenvalues[1] == pytest.approx(2 / 3)


def test_max_rank_caps_without_calling_signal_noise() -> None:
    """Cut in the middle of a flat spectrum, what is left is no noise floor."""
    content, _ = planted(8)
    found = fit_projection(content, max_rank=4)
    assert found.rank == 4
    assert found.noise == 0 and not found.latent_noise.any()


def test_spectrum_is_relative_to_the_first() -> None:
    content, _ = planted(3)
    found = fit_projection(content, 16)
    assert found.spectrum[0] == 1 and (np.diff(found.spectrum) <= 0).all()
    assert identity_projection(0).spectrum.shape == (0,)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_scale_and_shift_of_content_change_no_latent(seed: int, scale: float) -> None:
    content, _ = planted(2, num=200, dim=6, seed=seed)
    a, b = fit_projection(content, 4), fit_projection(content * np.float32(scale) + 1, 4)
    assert a.rank == b.rank
    first = (content - a.mean) @ a.loading
    second = (content * np.float32(scale) + 1 - b.mean) @ b.loading
    np.testing.assert_allclose(np.abs(first), np.abs(second), atol=2e-2)


@pytest.mark.parametrize(
    "content",
    [np.zeros((5, 3)), np.ones((1, 4)), np.full((3, 2), 7.0)],
    ids=["zeros", "one row", "constant"],
)
def test_content_without_variance_has_rank_zero(content: np.ndarray) -> None:
    found = fit_projection(content.astype(np.float32), 8)
    assert found.rank == 0 and found.loading.shape == (content.shape[1], 0)
    assert np.isfinite(found.mean).all()


def test_one_feature_keeps_it() -> None:
    found = fit_projection(np.arange(10, dtype=np.float32)[:, None], 8)
    assert found.rank == 1 and found.noise == 0
    np.testing.assert_allclose(
        np.abs((np.float32(9) - found.mean) @ found.loading), 4.5 / np.std(np.arange(10), ddof=1), rtol=1e-5
    )


def test_profile_rank_of_a_step() -> None:
    assert profile_rank(np.array([5.0, 4.0, 1.0, 1.0, 1.0, 1.0]), 10_000) == 2
    assert profile_rank(np.array([3.0]), 10) == 1
    assert profile_rank(np.zeros(0), 10) == 0


def test_identity_takes_every_element_at_its_word() -> None:
    found = identity_projection(3)
    np.testing.assert_array_equal((np.eye(3, dtype=np.float32) - found.mean) @ found.loading, np.eye(3))
    assert not found.latent_noise.any()


def test_led_by_turns_the_latents() -> None:
    """The learned direction comes first; lengths of latents, and the sum of variances, stay as they were."""
    content, _ = planted(3)
    found = fit_projection(content, 16)
    direction = np.array([[0.6], [0.0], [0.8]], dtype=np.float32)
    turned = found.led_by(direction)
    before, after = ((content - p.mean) @ p.loading for p in (found, turned))
    np.testing.assert_allclose(after[:, 0], before @ direction[:, 0], atol=1e-4)
    np.testing.assert_allclose((after**2).sum(axis=1), (before**2).sum(axis=1), rtol=1e-4)
    assert turned.eigenvalues.sum() == pytest.approx(found.eigenvalues.sum(), rel=1e-5)
    assert turned.eigenvalues[0] == pytest.approx(0.36 * found.eigenvalues[0] + 0.64 * found.eigenvalues[2], rel=1e-5)
    assert turned.rank == found.rank


def test_read_with_adds_to_the_first_noise() -> None:
    found = replace(fit_projection(planted(3)[0], 16), latent_noise=np.array([0.1, 0.2, 0.3], np.float32))
    np.testing.assert_allclose(found.read_with(np.array([1.0, 2.0], np.float32)).latent_noise, [1.1, 2.2, 0.3])
    assert found.read_with(None) is found
