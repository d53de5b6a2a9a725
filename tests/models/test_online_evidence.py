"""Evidence after training: sums that add, the joint posterior by hand, and planted truth recovered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.kits.small_models import NUM_CONTEXT, bind_small, small_catalogue, small_model

from genco.models.online_evidence import OnlineEvidence, centred_features, evidence_of, updated_model
from genco.runtime.reward_model import BoundRewardModel

Rows = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def plain_model(covariance: float = 1.0) -> BoundRewardModel:
    """No element effects, prior covariance * I."""
    bound = small_model()
    num = bound.model.layout.num_weights
    model = replace(
        bound.model,
        element_effect={},
        element_variance=0.0,
        covariance=covariance * np.eye(num, dtype=np.float32),
        reference_pool={p: (m, e, 0 * f) for p, (m, e, f) in bound.model.reference_pool.items()},
    )
    return bind_small(model, bound.catalogue)


def draw_rows(bound: BoundRewardModel, num: int, seed: int = 0) -> Rows:
    """Uniform play."""
    rng = np.random.default_rng(seed)
    product = rng.integers(bound.catalogue.num_products, size=num).astype(np.int32)
    combination = np.array(
        [
            [rng.choice(bound.catalogue.candidates(int(p), s)) for s in range(bound.catalogue.num_slots)]
            for p in product
        ],
        dtype=np.int32,
    )
    return product, combination, rng.standard_normal((num, NUM_CONTEXT)).astype(np.float32)


def rate(bound: BoundRewardModel, rows: Rows, shift: float = 0.0) -> NDArray[np.float64]:
    logit = bound.appeal(rows[0], rows[2]) + bound.uplift(*rows) + shift
    return np.asarray(1 / (1 + np.exp(-logit.astype(np.float64))))


def test_features_times_weights_are_the_uplift() -> None:
    bound = plain_model()
    rows = draw_rows(bound, 40)
    assert np.allclose(centred_features(bound, *rows) @ bound.model.theta, bound.uplift(*rows), atol=1e-4)


def test_evidence_goes_on_over_more_products() -> None:
    """Later products have none yet; the others keep theirs."""
    bound = plain_model()
    rows = draw_rows(bound, 40)
    found = evidence_of(bound, bound, *rows, rate(bound, rows).astype(np.float32) + 0.1)
    more = found.over(bound.catalogue.num_products + 2)
    assert more.cross.shape == (bound.catalogue.num_products + 2, bound.model.layout.num_weights)
    assert not more.mass[-2:].any() and not more.offset[-2:].any() and not more.cross[-2:].any()
    for name, values in vars(found).items():
        np.testing.assert_array_equal(vars(more)[name][: len(values)], values)
    assert found.over(bound.catalogue.num_products).mass.tolist() == found.mass.tolist()


def test_offsets_of_later_products_integrate_out() -> None:
    """The posterior of the weights is the same as with all products; hand-worked with one weight in mind: a product of
    mass m and cross c takes c c' / (m + 1 / 4) of the information."""
    bound = plain_model()
    rows = draw_rows(bound, 60)
    found = evidence_of(bound, bound, *rows, rate(bound, rows).astype(np.float32) + 0.1)
    first = found.of_first(1)
    assert first.cross.shape[0] == len(first.mass) == len(first.offset) == 1
    whole = updated_model(bound, found)
    alone = updated_model(bound, first.over(bound.catalogue.num_products))
    assert np.allclose(alone.theta, whole.theta, atol=1e-5) and np.allclose(
        alone.covariance, whole.covariance, atol=1e-5
    )
    spent = np.outer(found.cross[-1], found.cross[-1]) / (found.mass[-1] + 0.25)
    assert np.allclose(found.of_first(len(found.mass) - 1).information, found.information - spent)
    assert np.array_equal(found.of_first(len(found.mass)).information, found.information)


def test_nothing_changes_nothing() -> None:
    base = plain_model()
    nothing = OnlineEvidence.nothing(base.model.layout.num_weights, base.catalogue.num_products)
    model = updated_model(base, nothing)
    assert np.array_equal(model.theta, base.model.theta)
    assert np.allclose(model.covariance, base.model.covariance)
    assert model.appeal.product_effect == base.model.appeal.product_effect


def test_sums_of_halves_are_the_sum_of_all() -> None:
    base = plain_model()
    rows = draw_rows(base, 60)
    reward = np.zeros(60, dtype=np.float32)
    whole = evidence_of(base, base, *rows, reward)
    first, second = (
        evidence_of(base, base, *(r[part] for r in rows), reward[part]) for part in (slice(25), slice(25, 60))
    )
    for name, values in vars(first + second).items():
        assert np.allclose(values, getattr(whole, name), atol=1e-5), name
    assert np.allclose(whole.faded(0.5).linear, whole.linear / 2)


def test_the_posterior_is_that_of_weights_and_offsets_together() -> None:
    """Against one dense system over all weights and all product offsets."""
    base = plain_model(0.5)
    rows = draw_rows(base, 80)
    reward = (np.random.default_rng(1).random(80) < rate(base, rows)).astype(np.float32)
    evidence = evidence_of(base, base, *rows, reward)
    model = updated_model(base, evidence)
    features = centred_features(base, *rows).astype(np.float64)
    which = np.eye(base.catalogue.num_products)[rows[0]]
    p = rate(base, rows)
    both = np.concatenate([features, which], axis=1)
    precision = both.T @ (both * (p * (1 - p))[:, None])
    num = features.shape[1]
    precision[np.diag_indices_from(precision)] += np.repeat([1 / 0.5, 1 / 4.0], [num, which.shape[1]])
    solution = np.linalg.solve(precision, both.T @ (reward - p))
    assert np.allclose(model.theta - base.model.theta, solution[:num], atol=1e-4)
    assert np.allclose(model.covariance, np.linalg.inv(precision)[:num, :num], atol=1e-4)
    ids = base.catalogue.products["product_id"]
    moved = [model.appeal.product_effect[ids[i]] - base.appeal_base[i] for i in range(len(ids))]
    assert np.allclose(moved, solution[num:], atol=1e-4)


def test_planted_change_is_found_over_many_small_batches() -> None:
    base = plain_model(0.02)
    rng = np.random.default_rng(3)
    changed = (base.model.theta + rng.normal(0, 0.14, len(base.model.theta))).astype(np.float32)
    truth = bind_small(replace(base.model, theta=changed), base.catalogue)
    evidence = OnlineEvidence.nothing(len(changed), base.catalogue.num_products)
    current = base
    for batch in range(12):
        rows = draw_rows(base, 1_500, seed=batch)
        reward = (rng.random(1_500) < rate(truth, rows)).astype(np.float32)
        evidence = evidence + evidence_of(current, base, *rows, reward)
        current = bind_small(updated_model(base, evidence), base.catalogue)
    rows = draw_rows(base, 2_000, seed=99)

    def error(bound: BoundRewardModel) -> float:
        return float(np.mean((bound.uplift(*rows) - truth.uplift(*rows)) ** 2))

    assert error(current) < 0.5 * error(base)
    assert np.trace(current.model.covariance) < 0.8 * np.trace(base.model.covariance)


def test_a_change_of_level_is_not_taken_for_effects_of_elements() -> None:
    base = plain_model(0.2)
    rows = draw_rows(base, 6_000)
    reward = rate(base, rows, shift=0.5).astype(np.float32)  # expected rewards: no noise
    model = updated_model(base, evidence_of(base, base, *rows, reward))
    assert np.abs(model.theta - base.model.theta).max() < 0.05
    ids = base.catalogue.products["product_id"]
    moved = [model.appeal.product_effect[ids[i]] - base.appeal_base[i] for i in range(len(ids))]
    assert np.allclose(moved, 0.5, atol=0.15)


@pytest.mark.parametrize("num", [0, 1])
def test_few_rows(num: int) -> None:
    base = bind_small(plain_model().model, small_catalogue())
    evidence = evidence_of(base, base, *draw_rows(base, num), np.ones(num, dtype=np.float32))
    assert np.isfinite(updated_model(base, evidence).theta).all()
    assert evidence.mass.sum() == pytest.approx(0.0) if num == 0 else evidence.mass.sum() > 0
