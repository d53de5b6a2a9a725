"""Effects that elements of equal content share: against the dense posterior, and how the share is learned."""

from __future__ import annotations

import numpy as np
import pytest

from genco.training.shared_effects import SharedEffects, content_classes, learned_share

CONTENT = np.array([0, 0, 1, 2, 2, 2, 3])
RNG = np.random.default_rng(0)
SCORE, INFORMATION = RNG.standard_normal(7) * 5, np.array([20.0, 5, 11, 0, 30, 8, 0])
SCORE[INFORMATION == 0] = 0


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_it_is_the_dense_posterior(share: float) -> None:
    same = CONTENT[:, None] == CONTENT[None]
    prior = 0.09 * (share * same + (1 - share) * np.eye(7))
    covariance = prior - prior @ np.linalg.solve(np.diag(1 / np.maximum(INFORMATION, 1e-9)) + prior, prior)
    found = SharedEffects.of(SCORE, INFORMATION, CONTENT, 0.09, share)
    np.testing.assert_allclose(found.effect, covariance @ SCORE, atol=1e-6)
    np.testing.assert_allclose(found.variance, np.diagonal(covariance), atol=1e-6)


def test_without_a_share_effects_are_shrunk_one_by_one() -> None:
    found = SharedEffects.of(SCORE, INFORMATION, CONTENT, 0.09, 0.0)
    np.testing.assert_allclose(found.effect, SCORE / (INFORMATION + 1 / 0.09))
    assert not found.shared.any() and not found.shared_variance.any()


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_the_share_comes_back(share: float) -> None:
    rng = np.random.default_rng(1)
    content = np.repeat(np.arange(600), 2)
    effect = 0.3 * (np.sqrt(share) * rng.standard_normal(600)[content] + np.sqrt(1 - share) * rng.standard_normal(1200))
    information = rng.uniform(20, 200, 1200)
    score = information * effect + np.sqrt(information) * rng.standard_normal(1200)
    assert learned_share(score, information, content, 0.09) == pytest.approx(share, abs=0.12)


def test_nothing_repeated_shares_nothing() -> None:
    assert learned_share(SCORE, INFORMATION, np.arange(7), 0.09) == 0
    assert learned_share(SCORE, INFORMATION, CONTENT, 0.0) == 0


def test_classes_of_keys() -> None:
    found = content_classes(["a", None, "a", None, "b"])
    assert found[0] == found[2] and len(set(found.tolist())) == 5 and len(found) == 6
