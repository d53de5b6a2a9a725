"""Shapes escape what they are given, ticks are round, and texts are cut by their width on screen."""

from __future__ import annotations

import pytest

from genco.drawings.svg import cells_of, fitted, rectangle, svg, text, ticks


def test_text_and_labels_are_escaped() -> None:
    drawn = svg(10, 20, '"><script>', [text(1, 2, "<b>&"), rectangle(0, 0, 1, 1, "help", title="<i>")])
    assert "<script>" not in drawn and "<b>" not in drawn and "<i>" not in drawn
    assert 'aria-label="&#34;&gt;&lt;script&gt;"' in drawn
    assert 'viewBox="0 0 10 20"' in drawn and "&lt;b&gt;&amp;" in drawn


def test_negative_width_goes_left() -> None:
    assert 'x="6" y="0" width="4"' in rectangle(10, 0, -4, 1, "help")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 0.12, [0, 0.025, 0.05, 0.075, 0.1]),
        (3, 3, [3]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_wide_characters_count_two() -> None:
    assert cells_of("ab防水") == 6
    assert fitted("防水背包", 8) == "防水背包"
    assert fitted("防水背包", 7) == "防水背…"
    assert fitted("e\u0301" * 5, 5) == "e\u0301" * 5
    assert fitted("lightweight", 6) == "light…"
