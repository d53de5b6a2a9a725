"""What an event is worth: numbers worked by hand, planted values, and logs that say little."""

from __future__ import annotations

import numpy as np
import pytest

from genco.models.event_value_fit import element_differences, fit_values
from genco.rng import stream


def test_shrinkage_by_hand() -> None:
    """Product 0 sold at e/2 and 3e/2 (one event each), product 1 twice at 1: means e and 1, log means 1 and 0.

    noise: ((1/2)^2 + (1/2)^2 + 0 + 0) / (4 rows - 2 products) = 1/4. spread: log means are 1/2 from their centre, so
    (4 events / 4 - 1 * noise) / (4 - 8/4) = 3/8. Share of a product's own mean: 3/8 * 2 / (3/8 * 2 + 1/4) = 3/4.
    """
    fit = fit_values(np.array([0, 0, 1, 1]), np.ones(4), np.array([np.e / 2, 1.5 * np.e, 1.0, 1.0]), 3)
    assert fit.noise == pytest.approx(1 / 4)
    assert fit.spread == pytest.approx(3 / 8)
    overall = (np.e + 1) / 2
    assert fit.overall == pytest.approx(overall)
    np.testing.assert_allclose(fit.value[:2], [np.e**0.75 * overall**0.25, overall**0.25])
    assert np.isnan(fit.value[2])
    # of the centre: 1 / (2 / (3/8 + (1/4) / 2)) = 1/4; of a product: 1/4 * 3/8 + (1/4)^2 * 1/4; of no event: 3/8 + 1/4
    np.testing.assert_allclose(fit.log_sd[:2] ** 2, 7 / 64)
    assert fit.overall_log_sd**2 == pytest.approx(5 / 8)


def test_intervals_hold_the_value() -> None:
    """200 products, 5 sales on average, ten logs: 95% of those that sold."""
    held = []
    for seed in range(10):
        random = stream(seed, "intervals")
        mean, sales = np.exp(random.normal(3.0, 0.5, 200)), random.poisson(5, 200)
        product = np.repeat(np.arange(200), sales)
        paid = mean[product] * np.exp(random.normal(-0.11, 0.47, len(product)))
        fit = fit_values(product, np.ones(len(product)), paid, 200)
        seen = sales > 0
        held.append(np.mean(np.abs(np.log(fit.value / mean))[seen] < 1.96 * fit.log_sd[seen]))
    assert 0.92 < np.mean(held) < 0.98


def test_what_tells_no_scatter_has_no_interval() -> None:
    once = fit_values(np.array([0, 1]), np.ones(2), np.array([2.0, 8.0]), 2)
    unpaid = fit_values(np.array([0, 1, 1, 2, 2]), np.ones(5), np.array([0.0, 5.0, 7.0, 1.0, 2.0]), 3)
    same = fit_values(np.array([0, 0, 1]), np.ones(3), np.full(3, 12.5), 2)
    assert np.isnan(once.log_sd).all() and np.isnan(once.overall_log_sd)
    assert np.isnan(unpaid.log_sd).tolist() == [True, False, False]
    assert same.log_sd.tolist() == [0.0, 0.0] and same.overall_log_sd == 0.0


def test_a_row_of_many_events_tells_less_of_their_scatter() -> None:
    """As above with product 1 in one row: noise = ((1/2)^2 + (1/2)^2) / (3 rows - 2 products)."""
    fit = fit_values(np.array([0, 0, 1]), np.array([1.0, 1.0, 2.0]), np.array([np.e / 2, 1.5 * np.e, 1.0]), 2)
    assert fit.noise == pytest.approx(1 / 2)


def test_one_value_for_all_is_that_value() -> None:
    fit = fit_values(np.array([0, 0, 1, 2]), np.array([1.0, 3.0, 2.0, 7.0]), np.full(4, 12.5), 3)
    np.testing.assert_allclose(fit.value, 12.5)
    assert (fit.overall, fit.noise, fit.spread) == (pytest.approx(12.5), 0.0, 0.0)


def test_one_product_keeps_its_mean() -> None:
    fit = fit_values(np.array([1, 1]), np.array([1.0, 3.0]), np.array([2.0, 6.0]), 2)
    assert fit.value[1] == pytest.approx(5.0) and fit.overall == pytest.approx(5.0)


@pytest.mark.parametrize("size", [0, 3])
def test_no_event_or_events_without_a_price(size: int) -> None:
    fit = fit_values(np.zeros(size, dtype=np.int64), np.ones(size), np.zeros(size), 2)
    assert (fit.overall, fit.noise, fit.spread) == (0.0, 0.0, 0.0)
    np.testing.assert_array_equal(fit.value, [0.0 if size else np.nan, np.nan])


def test_a_product_that_earned_nothing_yet_is_not_worth_nothing() -> None:
    fit = fit_values(np.array([0, 1, 1, 2, 2]), np.ones(5), np.array([0.0, 5.0, 7.0, 1.0, 2.0]), 3)
    assert 0 < fit.value[0] < fit.overall


def test_without_two_rows_of_a_product_nothing_is_shrunk() -> None:
    fit = fit_values(np.array([0, 1]), np.ones(2), np.array([2.0, 8.0]), 2)
    np.testing.assert_allclose(fit.value, [2.0, 8.0])


def planted(seed: int, num_products: int, num_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True means [product], product [row], value [row]: means spread by 1 in logarithms, events by half their mean."""
    rng = stream(seed, "planted values")
    truth = 20 * np.exp(rng.normal(size=num_products))
    product = rng.integers(num_products, size=num_rows)
    return truth, product, truth[product] * rng.gamma(4, 1 / 4, size=num_rows)


def test_planted_values_are_found_and_better_than_plain_means() -> None:
    worse = []
    for seed in range(5):
        truth, product, value = planted(seed, 200, 600)
        fit = fit_values(product, np.ones(600), value, 200)
        assert fit.noise == pytest.approx(0.25, rel=0.25) and fit.spread == pytest.approx(1, rel=0.4)
        seen = ~np.isnan(fit.value)
        count = np.bincount(product, minlength=200)[seen]
        plain = np.bincount(product, value, 200)[seen] / count
        error, plain_error = (np.mean(np.log(v / truth[seen]) ** 2) for v in (fit.value[seen], plain))
        worse.append(error / plain_error)
    assert np.mean(worse) < 1


def test_more_rows_bring_the_truth() -> None:
    truth, product, value = planted(1, 20, 20_000)
    np.testing.assert_allclose(fit_values(product, np.ones(20_000), value, 20).value, truth, rtol=0.06)


def test_element_differences_by_hand() -> None:
    """Elements a (1, 3) and b (5, 7) of one product of mean 4: F = (16 / 1) / (4 / 2) = 8 on 1 and 2 degrees of
    freedom, whose tail is 1 - sqrt(8 / 10)."""
    combination = np.array([[0, 5], [0, 5], [1, 5], [1, 5]])
    found = element_differences(np.zeros(4, np.int64), combination, np.ones(4), np.array([1.0, 3.0, 5.0, 7.0]))
    np.testing.assert_allclose(found, [1 - np.sqrt(0.8), 1.0])


def test_element_differences_where_there_is_nothing_to_compare() -> None:
    product, combination = np.array([0, 0, 1]), np.array([[0], [1], [2]])
    assert element_differences(product, combination, np.ones(3), np.array([1.0, 2.0, 3.0])).tolist() == [1.0]
    assert element_differences(product[:0], combination[:0], np.ones(0), np.ones(0)).tolist() == [1.0]
    product, combination = np.zeros(4, np.int64), np.array([[0], [0], [1], [1]])
    assert element_differences(product, combination, np.ones(4), np.full(4, 9.9)).tolist() == [1.0]
    assert element_differences(product, combination, np.ones(4), np.array([1.0, 1.0, 2.0, 2.0])).tolist() == [0.0]


def test_element_differences_are_rarely_seen_where_there_are_none() -> None:
    found = []
    for seed in range(200):
        _, product, value = planted(seed, 20, 300)
        element = stream(seed, "elements").integers(3, size=(300, 1))
        found.append(element_differences(product, element, np.ones(300), value)[0])
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.06)
