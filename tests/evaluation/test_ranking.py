"""Ranking measures by hand and by brute force over single impressions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genco.evaluation.ranking import auc, grouped_auc, log_loss, ordered_right, pick_lift, significant_pairs

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=12)


def columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties, trials, and rewards of at most the trials."""
    score, trials, reward = (np.array(values, dtype=float) for values in zip(*rows, strict=True))
    return score, trials, np.minimum(reward, trials)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_auc_counts_pairs_of_impressions(rows: list[tuple[int, int, int]]) -> None:
    score, trials, reward = columns(rows)
    positive = np.repeat(score, reward.astype(int))
    negative = np.repeat(score, (trials - reward).astype(int))
    if not len(positive) or not len(negative):
        assert auc(score, trials, reward) is None
        return
    wins = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    assert auc(score, trials, reward) == pytest.approx(wins)


def test_auc_by_hand() -> None:
    """Rewarded at 3 and 1, unrewarded at 2 and 1: three and a half of four pairs... (3>2, 3>1, 1<2, 1=1)."""
    assert auc(np.array([3.0, 1.0, 2.0, 1.0]), np.ones(4), np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(2.5 / 4)
    assert auc(np.array([1.0, 2.0]), np.ones(2), np.array([0.0, 1.0])) == 1.0
    assert auc(np.array([5.0, 5.0]), np.ones(2), np.array([0.0, 1.0])) == 0.5


def test_grouped_auc_weighs_groups_by_impressions() -> None:
    """Group 0 (4 impressions) is right, group 1 (2 impressions) wrong, group 2 has no reward and is left out."""
    score, group = np.array([2.0, 1.0, 1.0, 2.0, 9.0]), np.array([0, 0, 1, 1, 2])
    trials, reward = np.array([2.0, 2.0, 1.0, 1.0, 7.0]), np.array([2.0, 0.0, 1.0, 0.0, 0.0])
    assert grouped_auc(score, trials, reward, group) == pytest.approx(4 / 6)
    order = np.array([4, 2, 0, 3, 1])
    assert grouped_auc(score[order], trials[order], reward[order], group[order]) == pytest.approx(4 / 6)
    assert grouped_auc(score[4:], trials[4:], reward[4:], group[4:]) is None


def test_log_loss_by_hand() -> None:
    found = log_loss(np.array([0.5, 0.25]), np.array([2.0, 4.0]), np.array([1.0, 1.0]))
    assert found == pytest.approx(-(2 * np.log(0.5) + np.log(0.25) + 3 * np.log(0.75)) / 6)
    assert np.isfinite(log_loss(np.array([0.0, 1.0]), np.ones(2), np.array([1.0, 0.0])))
    assert log_loss(np.zeros(0), np.zeros(0), np.zeros(0)) == 0


def test_significant_pairs_by_hand() -> None:
    """90 of 1,000 against 50 of 1,000: z = 3.5; against 80 of 1,000: z = 0.8; kinds and groups apart never."""
    trials, reward = np.full(4, 1_000.0), np.array([50.0, 90.0, 80.0, 10.0])
    kind = np.arange(4)
    found = significant_pairs(trials, reward, np.array([0, 0, 0, 1]), kind)
    assert found.tolist() == [[1, 0], [2, 0]]
    assert significant_pairs(trials, reward, np.array([0, 0, 0, 1]), np.zeros(4, int)).shape == (0, 2)
    assert significant_pairs(trials[:1], reward[:1], np.zeros(1, int), kind[:1]).shape == (0, 2)


def test_pairs_without_any_or_with_nothing_but_rewards_are_not_significant() -> None:
    for reward in (np.zeros(2), np.full(2, 100.0)):
        assert not len(significant_pairs(np.full(2, 100.0), reward, np.zeros(2, int), np.arange(2)))


def test_ordered_right() -> None:
    assert ordered_right(np.array([1.0, 2.0, 2.0]), np.array([[1, 0], [0, 1], [1, 2]])).tolist() == [1.0, 0.0, 0.5]
    assert ordered_right(np.zeros(0), np.zeros((0, 2), np.int64)).shape == (0,)


def test_pick_lift_by_hand() -> None:
    """Picks of rate 0.3 and 0.1 over averages of 0.2 and 0.2; the lonely row of group 2 does not count."""
    score, group = np.array([2.0, 1.0, 5.0, 1.0, 0.0]), np.array([0, 0, 1, 1, 2])
    trials, reward = np.full(5, 10.0), np.array([3.0, 1.0, 1.0, 3.0, 9.0])
    assert pick_lift(score, trials, reward, group) == pytest.approx(0.2 / 0.2)
    assert pick_lift(-score, trials, reward, group) == pytest.approx((0.1 + 0.3) / 2 / 0.2)
    assert pick_lift(score[4:], trials[4:], reward[4:], group[4:]) is None
    assert pick_lift(score, trials, np.zeros(5), group) is None
