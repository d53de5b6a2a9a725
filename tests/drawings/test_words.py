"""Numbers as a reader sees them, and pairs in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genco.drawings.words import (
    certainty,
    change,
    clean,
    element_name,
    pair_sentence,
    rate,
    rounded_to_sum,
    signed,
    whole,
)
from genco.evaluation.element_table import ElementView
from genco.evaluation.interactions import PairEffect

TITLE = ElementView("t1", "title", "Light & dry")
PICTURE = ElementView("i1", "image", None, "a.png")


def pair(first_own: float, second_own: float, effect: float, half: float = 0.01) -> PairEffect:
    return PairEffect("p1", PICTURE, TITLE, first_own, second_own, effect, effect - half, effect + half)


def test_numbers() -> None:
    assert [rate(v) for v in (None, 0.0, 0.0506, 0.00012, 1.0)] == ["–", "0.00%", "5.06%", "0.012%", "100.00%"]
    assert [signed(v) for v in (None, 0.004, -0.004, 0.1, -1.239)] == ["–", "0.00", "0.00", "+0.10", "−1.24"]
    assert [whole(v) for v in (0.0, 1234567.0, 2.5)] == ["0", "1,234,567", "2.50"]
    assert [change(v) for v in (None, 0.736, -0.2)] == ["–", "+74%", "−20%"]


def test_names() -> None:
    assert element_name(TITLE) == "“Light & dry”"
    assert element_name(PICTURE) == "picture i1"
    assert element_name(ElementView("x", "video")) == "video x"
    assert element_name(ElementView(None, "tag")) == "no tag"
    assert clean("a\u202eb\x00c\u2066d\n") == "abcd\n"


def test_pairs_in_words() -> None:
    assert pair_sentence(pair(0.1, 0.0, 0.2)) == "Picture i1 works better with “Light & dry”."
    assert pair_sentence(pair(-0.1, -0.1, 0.2)) == "Picture i1 and “Light & dry”: weak alone, better together."
    assert pair_sentence(pair(0.1, 0.1, -0.2)) == "Picture i1 works and “Light & dry” works, but not together."
    assert pair_sentence(pair(0.1, 0.0, -0.2)) == "Picture i1 works, but not with “Light & dry”."
    assert pair_sentence(pair(0.0, 0.1, -0.2)) == "“Light & dry” works, but not with picture i1."
    assert pair_sentence(pair(0.0, 0.0, -0.2)) == "Picture i1 and “Light & dry” do not go together."
    assert certainty(pair(0, 0, 0.2)) == ""
    assert certainty(pair(0, 0, 0.2, half=0.3)) == "the interval contains 0"


def test_pairs_of_one_component_have_an_order() -> None:
    first, second = ElementView("h1", "highlight", "Light"), ElementView("h2", "highlight", "Dry")

    def said(first_own: float, second_own: float, effect: float) -> str:
        return pair_sentence(PairEffect("p1", first, second, first_own, second_own, effect, effect, effect))

    assert said(0.1, 0.0, 0.2) == "“Light” works better before “Dry”."
    assert said(-0.1, -0.1, 0.2) == "“Light” and “Dry”: weak alone, better in this order."
    assert said(0.0, 0.1, -0.2) == "“Dry” works, but not after “Light”."
    assert said(0.0, 0.0, -0.2) == "“Light” and “Dry” do not go together in this order."


def test_rounded_parts_by_hand() -> None:
    assert rounded_to_sum([0.3333, 0.3333, 0.3334], 1.0) == [0.333, 0.333, 0.334]
    assert rounded_to_sum([-3.2464, 0.6994, 0.0904], -2.4566) == [-3.246, 0.699, 0.09]


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=6))
def test_rounded_parts_add_up(parts: list[float]) -> None:
    rounded = rounded_to_sum(parts, sum(parts))
    assert sum(rounded) == pytest.approx(round(sum(parts), 3), abs=1.1e-3 if len(parts) == 1 else 1e-9)
    assert all(abs(a - b) <= 0.002 for a, b in zip(parts, rounded, strict=True))
