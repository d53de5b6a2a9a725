"""Posterior draws: as wide as the posterior, the same for the same request, others for another model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.kits.reward_model import rows_of, sampled
from tests.kits.small_models import bind_small, small_context, small_model

from genco.data.catalogue import EMPTY
from genco.runtime import posterior_draws
from genco.runtime.attribution import slot_features
from genco.runtime.decision import DecisionConfig
from genco.runtime.legal_space import legal_space
from genco.runtime.posterior_draws import PosteriorDraws
from genco.runtime.refine import score
from genco.runtime.reward_model import BoundRewardModel

BOUND = small_model(1)
SPACE = legal_space(BOUND.catalogue, 0)
POSITIONS = sampled(SPACE, num=12)
CONTEXT = small_context()


def features_of(bound: BoundRewardModel, product: int = 0) -> np.ndarray:
    """Centred features [batch, weight] of the combinations at POSITIONS."""
    rows = rows_of(legal_space(bound.catalogue, product), POSITIONS)
    return sum(sum(slot_features(bound, product, CONTEXT, rows, slot)) for slot in range(5)).astype(float)  # type: ignore[attr-defined]


def known_elements() -> BoundRewardModel:
    return bind_small(
        replace(
            BOUND.model,
            element_variance=0.0,
            element_effect={e: (m, 0.0) for e, (m, _) in BOUND.model.element_effect.items()},
        ),
        BOUND.catalogue,
    )


def test_every_draw_is_the_mean_plus_the_features_times_a_row_of_the_bank() -> None:
    bound = known_elements()
    draws = PosteriorDraws(bound, "v")
    config = DecisionConfig(num_draws=8, width=0.7)
    mean = score(bound.tables(0, CONTEXT, SPACE.candidates), POSITIONS)
    deviation = 0.7 * features_of(bound) @ draws.bank[draws._chosen(0, CONTEXT, 8)].T
    found = draws.scores(0, CONTEXT, SPACE, POSITIONS, config)
    np.testing.assert_allclose(found, mean + deviation.T, atol=1e-5)


def test_covariance_of_scores_is_the_posteriors(monkeypatch: pytest.MonkeyPatch) -> None:
    """features Sigma features', from 3,000 draws; entries within 5 standard errors."""
    monkeypatch.setattr(posterior_draws, "BANK", 3_000)
    bound = known_elements()
    found = PosteriorDraws(bound, "v").scores(0, CONTEXT, SPACE, POSITIONS, DecisionConfig(num_draws=3_000, width=1.0))
    wanted = features_of(bound) @ bound.model.covariance.astype(float) @ features_of(bound).T
    error = np.sqrt((wanted**2 + np.outer(np.diag(wanted), np.diag(wanted))) / 3_000)
    assert (np.abs(np.cov(found.T) - wanted) < 5 * error).all()


def test_element_effects_spread_by_their_own_variance() -> None:
    """Weights known: the variance of a score is the sum over its elements, the empty one counting nothing."""
    bound = bind_small(replace(BOUND.model, covariance=np.zeros_like(BOUND.model.covariance)), BOUND.catalogue)
    config = DecisionConfig(num_draws=4_000, width=1.0)
    found = PosteriorDraws(bound, "v").scores(0, CONTEXT, SPACE, POSITIONS, config)
    rows = rows_of(SPACE, POSITIONS)
    wanted = np.where(rows == EMPTY, 0.0, bound.element_var[rows]).sum(axis=1)
    np.testing.assert_allclose(found.var(axis=0), wanted, rtol=0.15)


def test_same_request_same_draws_and_another_model_others() -> None:
    config = DecisionConfig(num_draws=16)

    def scores(version: str, product: int = 0, context: np.ndarray = CONTEXT) -> np.ndarray:
        return PosteriorDraws(BOUND, version).scores(
            product, context, legal_space(BOUND.catalogue, product), POSITIONS, config
        )

    np.testing.assert_array_equal(scores("a"), scores("a"))
    assert not np.array_equal(scores("a"), scores("b"))
    first, second = PosteriorDraws(BOUND, "a"), PosteriorDraws(BOUND, "b")
    assert not np.array_equal(first.bank, second.bank)
    assert first._chosen(0, CONTEXT, 16).tolist() != first._chosen(1, CONTEXT, 16).tolist()
    assert first._chosen(0, CONTEXT, 16).tolist() != first._chosen(0, small_context(5), 16).tolist()


def test_width_zero_is_the_mean() -> None:
    found = PosteriorDraws(BOUND, "v").scores(0, CONTEXT, SPACE, POSITIONS, DecisionConfig(num_draws=3, width=0.0))
    mean = score(BOUND.tables(0, CONTEXT, SPACE.candidates), POSITIONS)
    np.testing.assert_allclose(found, np.repeat(mean[None], 3, axis=0), atol=1e-5)


def test_more_draws_than_the_bank_holds() -> None:
    found = PosteriorDraws(BOUND, "v").scores(
        0, CONTEXT, SPACE, POSITIONS, DecisionConfig(num_draws=posterior_draws.BANK + 10)
    )
    assert found.shape == (posterior_draws.BANK + 10, 12) and np.isfinite(found).all()


def test_upper_bound_raises_every_candidate_by_its_spread() -> None:
    tables = BOUND.tables(0, CONTEXT, SPACE.candidates)
    upper = PosteriorDraws(BOUND, "v").upper_tables(tables, 0, CONTEXT, SPACE)
    for slot, (own, raised) in enumerate(zip(tables.own, upper.own, strict=True)):
        hidden = np.where(SPACE.candidates[slot] == EMPTY, 0.0, BOUND.element_var[SPACE.candidates[slot]])
        assert (raised - own >= np.sqrt(hidden) - 1e-5).all() and (raised > own).all()


def test_no_weights_at_all() -> None:
    bound = small_model(2, own=False, pair=False, context=False, optional=(False,) * 4)
    assert bound.model.layout.num_weights == 0
    draws = PosteriorDraws(bound, "v")
    assert draws.bank.shape == (posterior_draws.BANK, 0)
    found = draws.scores(0, CONTEXT, SPACE, POSITIONS, DecisionConfig(num_draws=4, width=1.0))
    assert np.isfinite(found).all()
