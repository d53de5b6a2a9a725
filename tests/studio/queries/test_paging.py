"""Pages of a long list."""

from __future__ import annotations

import numpy as np
import pytest

from genco.studio.pages.links import Links
from genco.studio.queries.paging import paging, rates, sorted_rows


@pytest.mark.parametrize(
    ("found", "asked", "number", "of", "first"),
    [(0, 1, 1, 1, 0), (50, 2, 1, 1, 0), (51, 2, 2, 2, 50), (101, 99, 3, 3, 100), (101, -4, 1, 3, 0)],
)
def test_the_page_asked_for_or_the_last(found: int, asked: int, number: int, of: int, first: int) -> None:
    page = paging(found, asked, 50)
    assert (page.number, page.of, page.first, page.found) == (number, of, first, found)


def test_sorting_keeps_ties_in_order_and_nan_last() -> None:
    values = np.array([1.0, np.nan, 3.0, 1.0, 2.0])
    rows = np.arange(5)
    assert sorted_rows(rows, values, True).tolist() == [2, 4, 0, 3, 1]
    assert sorted_rows(rows, values, False).tolist() == [0, 3, 4, 2, 1]


def test_rates_of_nothing_are_nan() -> None:
    assert np.array_equal(rates(np.array([[4, 0], [1, 0]])), [0.25, np.nan], equal_nan=True)


def test_links_keep_filters_and_turn_the_order() -> None:
    links = Links("/list", {"search": "a&b", "state": "", "sort": "clicks"}, "clicks", True)
    assert links.to(page=2) == "/list?search=a%26b&sort=clicks&page=2"
    assert links.by("clicks") == "/list?search=a%26b&sort=clicks&ascending=true"
    assert links.by("rate") == "/list?search=a%26b&sort=rate"
    assert links.by("id", first_ascending=True) == "/list?search=a%26b&sort=id&ascending=true"
    assert links.order("clicks") == "descending" and links.order("rate") is None
