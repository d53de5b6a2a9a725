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


def scores_of(
    draws: PosteriorDraws,
    config: DecisionConfig,
    product: int = 0,
    context: np.ndarray = CONTEXT,
    positions: np.ndarray = POSITIONS,
) -> np.ndarray:
    space = legal_space(draws.bound.catalogue, product)
    tables = draws.bound.tables(product, context, space.candidates)
    return draws.scores(tables, product, context, space, positions, config)


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
    deviation = 0.7 * features_of(bound) @ draws.deviations[draws._chosen(0, CONTEXT, 8)].T
    found = scores_of(draws, config)
    np.testing.assert_allclose(found, mean + deviation.T, atol=1e-5)


def test_covariance_of_scores_is_the_posteriors(monkeypatch: pytest.MonkeyPatch) -> None:
    """features Sigma features', from 3,000 draws; entries within 5 standard errors."""
    monkeypatch.setattr(posterior_draws, "BANK", 3_000)
    bound = known_elements()
    found = scores_of(PosteriorDraws(bound, "v"), DecisionConfig(num_draws=3_000, width=1.0))
    wanted = features_of(bound) @ bound.model.covariance.astype(float) @ features_of(bound).T
    error = np.sqrt((wanted**2 + np.outer(np.diag(wanted), np.diag(wanted))) / 3_000)
    assert (np.abs(np.cov(found.T) - wanted) < 5 * error).all()


def test_element_effects_spread_by_their_own_variance() -> None:
    """Weights known: the variance of a score is the sum over its elements, the empty one counting nothing.

    An element shown in both notes has one effect, counted twice.
    """
    bound = bind_small(replace(BOUND.model, covariance=np.zeros_like(BOUND.model.covariance)), BOUND.catalogue)
    config = DecisionConfig(num_draws=4_000, width=1.0)
    found = scores_of(PosteriorDraws(bound, "v"), config)
    rows = rows_of(SPACE, POSITIONS)
    wanted = np.array([sum(np.sum(row == e) ** 2 * bound.element_var[e] for e in set(row) - {EMPTY}) for row in rows])
    assert max(np.sum(row == e) for row in rows for e in set(row) - {EMPTY}) == 2
    np.testing.assert_allclose(found.var(axis=0), wanted, rtol=0.15)


def test_same_request_same_draws_and_another_model_others() -> None:
    config = DecisionConfig(num_draws=16)

    def scores(version: str, product: int = 0, context: np.ndarray = CONTEXT) -> np.ndarray:
        return scores_of(PosteriorDraws(BOUND, version), config, product, context)

    np.testing.assert_array_equal(scores("a"), scores("a"))
    assert not np.array_equal(scores("a"), scores("b"))
    first, second = PosteriorDraws(BOUND, "a"), PosteriorDraws(BOUND, "b")
    assert not np.array_equal(first.deviations, second.deviations)
    assert first._chosen(0, CONTEXT, 16).tolist() != first._chosen(1, CONTEXT, 16).tolist()
    assert first._chosen(0, CONTEXT, 16).tolist() != first._chosen(0, small_context(5), 16).tolist()


def test_many_combinations_at_once_are_the_same_as_few() -> None:
    """Pairs of slots are looked up in a table where it is smaller than the batch, else computed one by one."""
    every = SPACE.enumerate(10_000)
    assert len(every) > 100
    mean = score(BOUND.tables(0, CONTEXT, SPACE.candidates), every)
    bound = known_elements()
    config = DecisionConfig(num_draws=5, width=1.0)
    many = scores_of(PosteriorDraws(bound, "v"), config, positions=every)
    few = [scores_of(PosteriorDraws(bound, "v"), config, positions=every[i : i + 3]) for i in range(0, 60, 3)]
    np.testing.assert_allclose(many[:, :60], np.concatenate(few, axis=1), atol=1e-5)
    assert np.abs(many - mean).max() > 0.1


def test_width_zero_is_the_mean() -> None:
    found = scores_of(PosteriorDraws(BOUND, "v"), DecisionConfig(num_draws=3, width=0.0))
    mean = score(BOUND.tables(0, CONTEXT, SPACE.candidates), POSITIONS)
    np.testing.assert_allclose(found, np.repeat(mean[None], 3, axis=0), atol=1e-5)


def test_more_draws_than_the_bank_holds() -> None:
    found = scores_of(PosteriorDraws(BOUND, "v"), DecisionConfig(num_draws=posterior_draws.BANK + 10))
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
    assert draws.deviations.shape == (posterior_draws.BANK, 0)
    found = scores_of(draws, DecisionConfig(num_draws=4, width=1.0))
    assert np.isfinite(found).all()
