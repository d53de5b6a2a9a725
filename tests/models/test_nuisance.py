"""What levels and element effects take out of the information: against the dense Schur complement, and in parts."""

from __future__ import annotations

import numpy as np
from tests.kits.small_logs import centred_features, small_log, tables_of, with_rewards
from tests.kits.small_models import small_catalogue, small_model

from genco.models import nuisance
from genco.models.additive import AdditiveModel
from genco.models.evidence import variance_component
from genco.models.nuisance import UnitSums

BOUND = small_model(1, small_catalogue(12), known=())
LAYOUT, TABLES = BOUND.model.layout, tables_of(BOUND)
LOG = with_rewards(small_log(BOUND, 400), np.full(400, -1.0))
APPEAL = np.full(LOG.num_groups, -1.0)
MODEL = AdditiveModel(LAYOUT, TABLES, LOG, np.zeros(LAYOUT.num_weights))
WEIGHT = LOG.trials * (1 / (1 + np.e)) * (1 - 1 / (1 + np.e))
SHOWN = np.stack([(LOG.combination == e).sum(axis=1) for e in range(LOG.num_elements)], axis=1).astype(float)


def precision(num_own: int) -> np.ndarray:
    """Prior precision 8 for the first elements that only one product shows, infinite for all others."""
    products = [np.unique(LOG.product[SHOWN[:, e] > 0]) for e in range(LOG.num_elements)]
    own = [e for e, seen in enumerate(products) if len(seen) == 1][:num_own]
    found = np.full(LOG.num_elements + 1, np.inf)
    found[own] = 8.0
    assert len(own) >= 2
    return found


def test_element_effects_take_their_information_out() -> None:
    prior = precision(1_000)
    own = np.flatnonzero(np.isfinite(prior))
    features = centred_features(LAYOUT, TABLES, LOG)
    others = np.concatenate([np.eye(LOG.num_products)[LOG.product], SHOWN[:, own]], axis=1)
    cross = features.T @ (WEIGHT[:, None] * others)
    inner = others.T @ (WEIGHT[:, None] * others) + np.diag(np.append(np.full(LOG.num_products, 5.0), prior[own]))
    expected = features.T @ (WEIGHT[:, None] * features) - cross @ np.linalg.solve(inner, cross.T)
    found = MODEL.curvature(APPEAL, np.arange(len(LOG)), 5.0, prior)
    np.testing.assert_allclose(found, expected, atol=3e-5 * np.abs(expected).max())


def test_parts_of_a_product_add_up() -> None:
    own = np.isfinite(precision(1_000))
    order = np.argsort(LOG.product, kind="stable")
    product, combination, features = LOG.product[order], LOG.combination[order], np.ones((len(LOG), 2))
    whole, parts = UnitSums(own), UnitSums(own)
    expected = [*whole.add(product, combination, features, WEIGHT[order]), *whole.rest()]
    found = []
    for start in range(0, len(order), 7):
        at = slice(start, start + 7)
        found += parts.add(product[at], combination[at], features[at], WEIGHT[order][at])
    found += parts.rest()
    assert [each.product for each in found] == [each.product for each in expected]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.elements, b.elements)
        np.testing.assert_allclose(a.own, b.own, atol=1e-4)
        np.testing.assert_allclose(a.cross, b.cross, atol=1e-4)


def test_a_product_of_very_many_elements_has_its_level_alone(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(nuisance, "MAX_UNITS", 0)
    found = MODEL.curvature(APPEAL, np.arange(len(LOG)), 5.0, precision(1_000))
    np.testing.assert_allclose(found, MODEL.curvature(APPEAL, np.arange(len(LOG)), 5.0))


def test_a_product_that_becomes_crowded_part_by_part_has_its_level_alone(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(nuisance, "MAX_UNITS", 3)
    combination, features, weight = np.arange(8).reshape(4, 2), np.arange(8.0).reshape(4, 2), np.arange(1.0, 5.0)
    sums = UnitSums(np.full(9, True))
    for row in (slice(0, 1), slice(1, 2), slice(2, 4)):  # two elements, then four, then a part that alone has four
        assert not list(sums.add(np.zeros(4, dtype=int)[row], combination[row], features[row], weight[row]))
    (found,) = sums.rest()
    assert found.crowded and not len(found.elements)
    np.testing.assert_allclose(found.own, [[10.0]])
    np.testing.assert_allclose(found.cross, [weight @ features])


def test_directions_tell_the_spread_of_confounded_effects() -> None:
    """Two slots always change together: element by element the spread would be counted twice or not at all."""
    rng = np.random.default_rng(0)
    scores, information = [], []
    for _ in range(2_000):
        combination = np.array([[0, 3], [1, 4], [2, 5]])
        effect = 0.3 * rng.standard_normal(7)
        weight = np.full(3, 60.0)
        residual = weight * (effect[combination].sum(axis=1) + rng.standard_normal(3) / np.sqrt(weight))
        residual -= weight * (residual.sum() / weight.sum())
        score = np.zeros(7)
        np.add.at(score, combination, residual[:, None])
        sums = UnitSums(np.append(np.ones(6, dtype=bool), False))
        (units,) = [*sums.add(np.zeros(3, int), combination, np.zeros((3, 0)), weight), *sums.rest()]
        part = units.directions(score, np.zeros(7))
        assert len(part[0]) == 2  # three packages, one level
        scores.append(part[0])
        information.append(part[1])
    every = np.concatenate(scores)
    found = variance_component(every, np.concatenate(information), np.ones_like(every))
    assert abs(np.sqrt(found) - 0.3) < 0.03


def test_no_rows_give_nothing() -> None:
    assert not list(UnitSums(np.zeros(3, dtype=bool)).rest())
