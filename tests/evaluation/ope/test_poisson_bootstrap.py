"""The Poisson bootstrap: what a row counts depends on its number alone, shards add up, spread is that of the mean."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import poisson as distribution
from tests.evaluation.ope.test_empirical_likelihood import drawn

from genco.errors import ConfigError, DataError, SupportError
from genco.evaluation.ope import IPS
from genco.evaluation.ope.poisson_bootstrap import PoissonBootstrap, poisson, uniforms
from genco.evaluation.ope.terms import Terms, terms

small = partial(np.zeros, (50, 4))


def test_uniforms_are_those_of_the_row() -> None:
    whole = uniforms(np.arange(2_000), 100, seed=1)
    np.testing.assert_array_equal(whole[:, 700:710], uniforms(np.arange(700, 710), 100, seed=1))
    np.testing.assert_array_equal(whole[:30], uniforms(np.arange(2_000), 30, seed=1))
    assert (whole != uniforms(np.arange(2_000), 100, seed=2)).all()
    assert len(np.unique(whole)) == whole.size
    assert whole.mean() == pytest.approx(0.5, abs=0.003) and whole.var() == pytest.approx(1 / 12, abs=0.001)
    assert abs(np.corrcoef(whole[0], whole[1])[0, 1]) < 0.1 and whole.min() > 0 and whole.max() < 1


def test_poisson_numbers() -> None:
    uniform = np.random.default_rng(0).random((40, 3))
    mean = np.array([1.0, 0.3, 700.0])
    np.testing.assert_array_equal(poisson(mean, uniform), distribution.ppf(uniform, mean[None]))


def test_shards_add_up() -> None:
    found, reward = drawn(1_000, seed=0)
    whole = PoissonBootstrap(3, small()).update(found, reward, np.arange(1_000))
    merged = PoissonBootstrap(3, small())
    for rows in np.array_split(np.random.default_rng(1).permutation(1_000), 3):
        part = Terms(*(getattr(found, name)[rows] for name in Terms.__dataclass_fields__))
        merged = PoissonBootstrap(3, small()).update(part, reward[rows], rows) + merged
    np.testing.assert_allclose(merged.sums, whole.sums, rtol=1e-12)
    assert merged.value(floor=0).low == pytest.approx(whole.value(floor=0).low)


def test_spread_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).standard_normal(4_000) + 5
    interval = PoissonBootstrap().update(terms(values), np.zeros(4_000), np.arange(4_000)).value()
    width = 2 * 1.96 * values.std() / np.sqrt(4_000)
    assert interval.high - interval.low == pytest.approx(width, rel=0.12)
    assert interval.low < values.mean() < interval.high


def test_difference_of_a_policy_with_itself_is_nothing() -> None:
    reward = np.repeat([1.0, 0.0], [50, 450])
    same = IPS().terms(np.full(500, 0.2), np.full(500, 0.2), reward)
    interval = PoissonBootstrap(0, small()).update(same, reward, np.arange(500)).difference()
    assert (interval.low, interval.high) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))


def test_refusals() -> None:
    found, reward = drawn(300, seed=4)
    record = PoissonBootstrap(0, small()).update(found, reward, np.arange(300))
    with pytest.raises(SupportError, match=r"effective sample size should be at least 400"):
        record.value()
    with pytest.raises(DataError, match=r"`row_number` should not hold a number twice"):
        record.update(found, reward, np.zeros(300, dtype=int))
    with pytest.raises(ConfigError, match=r"Found \(0, 50\) and \(1, 50\)"):
        record + PoissonBootstrap(1, small())
