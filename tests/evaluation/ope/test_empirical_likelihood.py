"""Intervals by empirical likelihood: a statistic worked by hand, sums and cells that merge, and skewed coverage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, t

from genco.errors import ConfigError, SupportError
from genco.evaluation.ope import IPS, SNIPS, DirectMethod
from genco.evaluation.ope.cells import Cells
from genco.evaluation.ope.empirical_likelihood import EmpiricalLikelihood, degrees_of_freedom, statistic
from genco.evaluation.ope.terms import Terms, terms

Floats = NDArray[np.float64]


def drawn(num: int, seed: int, rate: float = 0.05) -> tuple[Terms, Floats]:
    """Skewed weights of mean 1 and rare rewards."""
    rng = np.random.default_rng(seed)
    weight = rng.lognormal(-0.32, 0.8, num)
    reward = (rng.random(num) < rate).astype(float)
    return terms(weight * reward, 1.0, weight), reward


def test_statistic_of_a_binomial_is_its_likelihood_ratio() -> None:
    rate, tried = 0.3, 0.2
    found = statistic(np.array([1.0, 0.0]) - tried, np.array([30.0, 70.0]))
    assert found == pytest.approx(2 * (binom.logpmf(30, 100, rate) - binom.logpmf(30, 100, tried)), rel=1e-9)


def test_statistic_of_values_on_one_side() -> None:
    assert statistic(np.array([0.1, 0.2]), np.ones(2)) == np.inf
    assert statistic(np.zeros(2), np.ones(2)) == 0


def test_an_unseen_value_bounds_the_statistic() -> None:
    """Nothing but -1 was seen: with 3 possible, mean zero needs a quarter of the mass there, so the log's (3/4)^n."""
    assert statistic(-np.ones(1), np.array([10.0]), unseen=3.0) == pytest.approx(-20 * np.log(3 / 4), rel=1e-6)
    seen, count = np.array([2.0, -1.0]), np.array([5.0, 20.0])
    assert statistic(seen, count, unseen=1.9) == statistic(seen, count)
    assert statistic(seen, count, unseen=50.0) < statistic(seen, count)


def test_a_large_weight_that_was_not_rewarded_raises_the_upper_end() -> None:
    weight, reward = np.append(np.tile([0.5, 1.5], 1_000), 200.0), np.append(np.repeat([1.0, 0.0], [100, 1_900]), 0.0)
    record = EmpiricalLikelihood().update(terms(weight * reward, 1.0, weight), reward)
    told = EmpiricalLikelihood().update(IPS().terms(np.full(2_001, 1 / 200), weight / 200, reward), reward)
    assert told.largest_weight == 200 and record.largest_weight == 0
    blind, aware = record.value(floor=0), told.value(floor=0)
    assert aware.low == pytest.approx(blind.low, rel=1e-9) and aware.high > 1.1 * blind.high
    assert told.difference(floor=0).high > record.difference(floor=0).high
    model = EmpiricalLikelihood().update(DirectMethod().terms(np.full(500, 0.3)), np.zeros(500))
    assert model.largest_weight == 0


def test_degrees_of_freedom() -> None:
    normal = np.random.default_rng(0).standard_normal(100_000)
    assert degrees_of_freedom(normal, np.ones(100_000)) == pytest.approx(100_000, rel=0.03)
    rare = np.array([1.0, 0.0]) - 0.01
    assert degrees_of_freedom(rare, np.array([20.0, 1980.0])) == pytest.approx(2 * 20, rel=0.05)
    assert degrees_of_freedom(np.array([1.0, -1.0]), np.ones(2)) == 4


def test_binomial_interval() -> None:
    """With equal weights the interval is the likelihood interval of a rate, at the quantile of t^2."""
    reward = np.repeat([1.0, 0.0], [60, 940])
    interval = EmpiricalLikelihood().update(IPS().terms(np.full(1000, 0.5), np.full(1000, 0.5), reward), reward).value()
    limit = t.ppf(0.975, degrees_of_freedom(reward - 0.06, np.ones(1000))) ** 2
    for end in (interval.low, interval.high):
        ratio = 2 * (binom.logpmf(60, 1000, 0.06) - binom.logpmf(60, 1000, end))
        assert ratio == pytest.approx(limit, rel=1e-3)
    assert interval.high - 0.06 > 0.06 - interval.low


def test_shards_add_up_in_any_order() -> None:
    found, reward = drawn(3_000, seed=1)
    whole = EmpiricalLikelihood().update(found, reward)
    order = np.random.default_rng(2).permutation(3_000)
    merged = EmpiricalLikelihood()
    for rows in np.array_split(order, 7):
        part = Terms(*(getattr(found, name)[rows] for name in Terms.__dataclass_fields__))
        merged = EmpiricalLikelihood().update(part, reward[rows]) + merged
    np.testing.assert_array_equal(merged.cells.codes, whole.cells.codes)
    np.testing.assert_allclose(merged.cells.sums, whole.cells.sums, rtol=1e-12)
    assert merged.value().low == pytest.approx(whole.value().low, rel=1e-9)
    assert merged.difference().high == pytest.approx(whole.difference().high, rel=1e-9)


def test_cells_are_few_and_keep_the_sums() -> None:
    found, reward = drawn(200_000, seed=3)
    cells = Cells().update(found, reward)
    assert len(cells.codes) < 2_000
    np.testing.assert_allclose(cells.sums.sum(axis=0), [200_000, found.numerator.sum(), 200_000, reward.sum()])


def test_difference_of_a_policy_with_itself_is_nothing() -> None:
    reward = np.repeat([1.0, 0.0], [100, 900])
    same = np.full(1000, 0.2)
    for record in (IPS(), SNIPS()):
        interval = EmpiricalLikelihood().update(record.terms(same, same, reward), reward).difference()
        assert interval.low == pytest.approx(0, abs=1e-12) and interval.high == pytest.approx(0, abs=1e-12)


def test_refusals() -> None:
    found, reward = drawn(300, seed=4)
    record = EmpiricalLikelihood().update(found, reward)
    with pytest.raises(SupportError, match=r"effective sample size should be at least 400. Found \d+\.\d of 300"):
        record.value()
    with pytest.raises(SupportError, match=r"effective sample size"):
        record.difference()
    with pytest.raises(ConfigError, match=r"`level` should be in \(0, 1\). Found `level = 1`"):
        record.value(level=1, floor=0)


def test_a_model_alone_gives_a_short_interval() -> None:
    constant = EmpiricalLikelihood().update(DirectMethod().terms(np.full(500, 0.3)), np.zeros(500)).value()
    assert (constant.low, constant.high) == (pytest.approx(0.3), pytest.approx(0.3))


def test_coverage_where_rewards_are_rare_and_weights_skewed() -> None:
    """Mean weight of rewards is known: the value is the rate. 400 logs of about 75 rewards: 1.1 points of error."""
    inside = 0
    for seed in range(400):
        interval = EmpiricalLikelihood().update(*drawn(1_500, seed)).value()
        inside += interval.low <= 0.05 <= interval.high
    assert 0.93 <= inside / 400 <= 0.975
