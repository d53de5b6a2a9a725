"""Passes over the log: likelihood, gradient and curvature against the formula in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kits.reward_model import uplift_of
from tests.kits.small_logs import centred_features, log_likelihood, small_log, tables_of, with_rewards
from tests.kits.small_models import small_catalogue, small_model

from genco.data.catalogue import Slot
from genco.data.encoded_log import EncodedLog
from genco.models import additive
from genco.models.additive import AdditiveModel, ContentTables
from genco.runtime.reward_model import BoundRewardModel

BOUND = small_model(1, small_catalogue(4), known=())
TABLES = tables_of(BOUND)
LAYOUT = BOUND.model.layout
THETA = BOUND.model.theta.astype(np.float64)
EFFECT = np.append(BOUND.element_mean[:-1], 0.0).astype(np.float64)
EMPTY_LOG = small_log(BOUND, 600)
APPEAL = np.linspace(-1.5, 0.5, EMPTY_LOG.num_groups)


def logits(log: EncodedLog, theta: np.ndarray = THETA, effect: np.ndarray | None = EFFECT) -> np.ndarray:
    logit = APPEAL[log.group] + centred_features(LAYOUT, TABLES, log) @ theta
    if effect is not None:
        logit += effect[log.combination].sum(axis=1) - TABLES.pool_mean_of(effect).sum(axis=1)[log.product]
    return logit


LOG = with_rewards(EMPTY_LOG, logits(EMPTY_LOG))


def model(log: EncodedLog = LOG, effect: np.ndarray | None = EFFECT) -> AdditiveModel:
    return AdditiveModel(LAYOUT, TABLES, log, THETA, effect)


@pytest.mark.parametrize("effect", [None, EFFECT], ids=["content", "content and elements"])
def test_likelihood_and_uplift_are_the_formula(effect: np.ndarray | None) -> None:
    expected = logits(LOG, effect=effect)
    np.testing.assert_allclose(model(effect=effect).uplift_of(LOG).numpy(), expected - APPEAL[LOG.group], atol=2e-5)
    assert model(effect=effect).run(APPEAL).log_likelihood == pytest.approx(log_likelihood(expected, LOG), rel=1e-6)


def test_uplift_is_that_of_the_bound_model() -> None:
    """Training and serving score the same row alike, an empty slot included."""
    rows = np.where(LOG.combination == LOG.num_elements, -1, LOG.combination)
    for at in range(0, 600, 60):
        context = LOG.contexts[LOG.group_context[LOG.group[at]]]
        served = uplift_of(BOUND, int(LOG.product[at]), rows[at : at + 1], context)
        assert float(model().uplift_of(LOG.take(slice(at, at + 1)))) == pytest.approx(float(served[0]), abs=2e-5)


def test_gradient_is_the_numerical_derivative() -> None:
    """Central differences of the double-precision likelihood, one weight at a time."""
    found = model().run(APPEAL).gradient
    step = 1e-5
    numerical = np.array(
        [
            log_likelihood(logits(LOG, THETA + step * unit), LOG)
            - log_likelihood(logits(LOG, THETA - step * unit), LOG)
            for unit in np.eye(LAYOUT.num_weights)
        ]
    ) / (2 * step)
    np.testing.assert_allclose(found, numerical, atol=1e-5 * np.abs(numerical).max() + 1e-3)


def test_group_and_element_sums_are_the_scores() -> None:
    logit = logits(LOG)
    rate = 1 / (1 + np.exp(-logit))
    residual, curvature = LOG.reward - LOG.trials * rate, LOG.trials * rate * (1 - rate)
    found = model().run(APPEAL, with_elements=True)
    np.testing.assert_allclose(found.group_residual, np.bincount(LOG.group, residual, LOG.num_groups), atol=1e-3)
    np.testing.assert_allclose(found.group_curvature, np.bincount(LOG.group, curvature, LOG.num_groups), atol=1e-3)
    for values, sums in ((residual, found.element_residual), (curvature, found.element_curvature)):
        expected = sum(np.bincount(LOG.combination[:, c], values, LOG.num_elements + 1) for c in range(5))
        np.testing.assert_allclose(sums, expected, atol=1e-3)
    without = model().run(APPEAL)
    assert without.element_residual is None and without.element_curvature is None


def test_curvature_is_the_numerical_hessian() -> None:
    """The binomial likelihood is concave with Hessian -F' diag(trials p (1 - p)) F; checked along random directions."""
    found = model().curvature(APPEAL, np.arange(len(LOG)))
    features = centred_features(LAYOUT, TABLES, LOG)
    rate = 1 / (1 + np.exp(-logits(LOG)))
    exact = features.T @ ((LOG.trials * rate * (1 - rate))[:, None] * features)
    np.testing.assert_allclose(found, exact, atol=1e-5 * np.abs(exact).max())
    rng, step = np.random.default_rng(0), 1e-3
    for _ in range(5):
        along = rng.standard_normal(LAYOUT.num_weights)
        along /= np.linalg.norm(along)
        values = [log_likelihood(logits(LOG, THETA + shift * along), LOG) for shift in (-step, 0.0, step)]
        second = (values[0] - 2 * values[1] + values[2]) / step**2
        assert -along @ found @ along == pytest.approx(second, rel=1e-3)


def test_product_effects_take_their_information_out() -> None:
    """The Schur complement of (weights, product effects) with prior precision on the latter."""
    features = centred_features(LAYOUT, TABLES, LOG)
    rate = 1 / (1 + np.exp(-logits(LOG)))
    weight = LOG.trials * rate * (1 - rate)
    products = np.eye(LOG.num_products)[LOG.product]
    cross = features.T @ (weight[:, None] * products)
    own = np.diag(weight @ products + 5.0)
    expected = features.T @ (weight[:, None] * features) - cross @ np.linalg.inv(own) @ cross.T
    found = model().curvature(APPEAL, np.arange(len(LOG)), product_precision=5.0)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    assert np.linalg.eigvalsh(found).min() > -1e-3


def test_shards_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves' sums are the whole's, and so are many small chunks'."""
    whole = model().run(APPEAL, with_elements=True)
    half = np.arange(len(LOG)) < 250
    halves = [model(LOG.take(part)).run(APPEAL, with_elements=True) for part in (half, ~half)]
    monkeypatch.setattr(additive, "CHUNK_ROWS", 17)
    monkeypatch.setattr(additive, "CURVATURE_CHUNK_ROWS", 13)
    for other in (halves[0] + halves[1], model().run(APPEAL, with_elements=True)):
        assert other.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-6)
        for name in ("gradient", "group_residual", "group_curvature", "element_residual", "element_curvature"):
            a, b = getattr(other, name), getattr(whole, name)
            np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max() + 1e-4)
    rows = np.arange(len(LOG))
    chunked = model().curvature(APPEAL, rows, 5.0)
    monkeypatch.undo()
    exact = model().curvature(APPEAL, rows, 5.0)
    np.testing.assert_allclose(chunked, exact, atol=1e-5 * np.abs(exact).max())
    parts = [model().curvature(APPEAL, np.flatnonzero(part)) for part in (half, ~half)]
    exact = model().curvature(APPEAL, rows)
    np.testing.assert_allclose(sum(parts), exact, atol=1e-5 * np.abs(exact).max())


def test_element_sums_are_missing_from_a_sum_where_one_lacks_them() -> None:
    total = model().run(APPEAL, with_elements=True) + model().run(APPEAL)
    assert total.element_residual is None


def test_aggregated_rows_are_single_rows() -> None:
    single = EncodedLog(
        np.repeat(LOG.combination, 2, axis=0),
        np.repeat(LOG.group, 2),
        np.repeat(LOG.trials / 2, 2),
        np.repeat(LOG.reward / 2, 2),
        *(
            getattr(LOG, name)
            for name in ("group_product", "group_context", "contexts", "num_elements", "num_products")
        ),
    )
    a, b = model(single).run(APPEAL), model().run(APPEAL)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=1e-6)
    np.testing.assert_allclose(a.gradient, b.gradient, atol=1e-3)


def test_uplift_is_centred_over_the_pool() -> None:
    """Mean over every combination of independent uniform elements of a product, in each context: zero."""
    for product in range(2):
        pools = [TABLES.pool_elements[TABLES.pool_owner == product * 5 + slot] for slot in range(5)]
        every = np.stack([axis.ravel() for axis in np.meshgrid(*pools, indexing="ij")], axis=1).astype(np.int32)
        for context in range(3):
            group = np.full(len(every), product * 3 + context, np.int32)
            rows = EncodedLog(
                **{
                    **vars(LOG),
                    "combination": every,
                    "group": group,
                    "trials": np.ones(len(every), np.float32),
                    "reward": np.zeros(len(every), np.float32),
                }
            )
            assert float(model().uplift_of(rows).double().mean()) == pytest.approx(0, abs=1e-5)


def test_no_rows_are_sums_of_zero() -> None:
    found = model(LOG.take(slice(0, 0))).run(APPEAL, with_elements=True)
    assert found.log_likelihood == 0 and not found.gradient.any() and not found.group_curvature.any()
    assert not model().curvature(APPEAL, np.zeros(0, np.int64), 5.0).any()


@pytest.mark.parametrize(
    "slots",
    [(Slot("tag", "tag"),), (Slot("tag", "tag", required=False),), (Slot("note_1", "note"), Slot("note_2", "note"))],
    ids=["one slot", "one that may be empty", "twins"],
)
def test_small_cards(slots: tuple[Slot, ...]) -> None:
    bound = small_model(2, small_catalogue(2, slots), known=())
    _check_likelihood(bound)


@pytest.mark.parametrize("off", ["own", "pair", "context", "own_context"])
def test_parts_switched_off(off: str) -> None:
    _check_likelihood(small_model(3, small_catalogue(2), known=(), **{off: False}))


def _check_likelihood(bound: BoundRewardModel) -> None:
    tables: ContentTables = tables_of(bound)
    layout, theta = bound.model.layout, bound.model.theta.astype(np.float64)
    log = small_log(bound, 80)
    features = centred_features(layout, tables, log)
    log = with_rewards(log, features @ theta - 0.5)
    appeal = np.full(log.num_groups, -0.5)
    logit = features @ theta - 0.5
    found = AdditiveModel(layout, tables, log, theta).run(appeal)
    assert found.log_likelihood == pytest.approx(log_likelihood(logit, log), rel=1e-5)
    expected = features.T @ (log.reward - log.trials / (1 + np.exp(-logit)))
    np.testing.assert_allclose(found.gradient, expected, atol=1e-4 * max(1, np.abs(expected).max(initial=0)))
