"""The label rule on cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from genco.evaluation.element_labels import LABEL_RULES, MIN_IMPRESSIONS, element_labels

MANY = float(MIN_IMPRESSIONS)


def labels(contribution: list[float], half: float, impressions: float = MANY, empty: float | None = None) -> list[str]:
    found = np.array(contribution)
    status = ["approved"] * len(found)
    return element_labels(status, np.full(len(found), impressions), found, found - half, found + half, empty)


def test_top_quarter_above_zero_is_best() -> None:
    assert labels([0.4, 0.3, 0.0, -0.7], 0.1) == ["BEST", "GOOD", "GOOD", "LOW"]


def test_best_needs_its_whole_interval_above_zero() -> None:
    assert labels([0.05, 0.0, -0.5, 0.0], 0.1) == ["GOOD", "GOOD", "LOW", "GOOD"]


def test_learning_by_impressions_or_width() -> None:
    assert labels([0.4, -0.4], 0.1, impressions=MANY - 1) == ["LEARNING", "LEARNING"]
    assert labels([0.4, -0.4], 0.41) == ["LEARNING", "LEARNING"]
    assert labels([0.4, -0.4], 0.39) == ["BEST", "LOW"]


def test_pending_and_blocked_do_not_count() -> None:
    values = np.array([0.4, 9.0, 9.0, -0.4])
    status = ["approved", "pending", "blocked", "approved"]
    found = element_labels(status, np.full(4, MANY), values, values - 0.1, values + 0.1)
    assert found == ["BEST", "PENDING", "", "LOW"]


def test_only_choice_is_good_and_the_empty_place_is_a_choice() -> None:
    assert labels([0.0], 0.5, impressions=0) == ["GOOD"]
    assert labels([0.2], 0.1, empty=-0.2) == ["BEST"]
    assert labels([0.2], 0.3, empty=-0.2) == ["LEARNING"]


def test_nothing() -> None:
    assert labels([], 0.1) == []


@pytest.mark.parametrize("seed", range(3))
def test_every_label_has_a_rule(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=30)
    assert set(labels(values.tolist(), 0.3)) <= set(LABEL_RULES)
