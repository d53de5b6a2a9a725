"""Peers that count: one rate or one beta per combination, one rate per element."""

import numpy as np
from tests.kits.online_policy import table

from genco.benchmarks.peers.combination_thompson import CombinationThompson
from genco.benchmarks.peers.epsilon_greedy import EpsilonGreedy
from genco.benchmarks.peers.independent_greedy import IndependentGreedy
from genco.benchmarks.peers.ucb import Ucb

ITEMS = np.zeros(1000, dtype=np.int32)


def told(policy, arms, clicks):
    policy.update(np.zeros(len(arms), dtype=np.int32), np.array(arms), np.array(clicks))
    return policy


def test_posterior_of_a_combination_by_hand() -> None:
    policy = told(CombinationThompson(table([[(0,), (1,)]]), 0), [0, 0, 0, 1], [1, 0, 0, 0])
    clicks, others = policy.posterior()
    assert clicks.tolist() == [2, 1]
    assert others.tolist() == [52, 51]


def test_a_draw_for_every_view() -> None:
    """beta(2, 1) against beta(1, 1): the first wins with probability 2/3."""
    policy = told(CombinationThompson(table([[(0,), (1,)]]), 0, prior=(1.0, 1.0)), [0], [1])
    assert abs(np.mean(policy.choose(ITEMS) == 0) - 2 / 3) < 0.06


def test_a_tenth_is_explored() -> None:
    policy = told(EpsilonGreedy(table([[(0,), (1,), (2,), (3,)]]), 0), [0, 1, 2], [0, 1, 0])
    shares = np.bincount(policy.choose(np.zeros(20_000, dtype=np.int32)), minlength=4) / 20_000
    np.testing.assert_allclose(shares, [0.025, 0.925, 0.025, 0.025], atol=0.006)


def test_bounds_by_hand() -> None:
    policy = told(Ucb(table([[(0,), (1,), (2,)]]), 0, width=0.5), [0, 0, 1], [1, 0, 0])
    expected = [0.5 + 0.5 * np.sqrt(2 * np.log(3) / 2), 0.5 * np.sqrt(2 * np.log(3)), np.inf]
    np.testing.assert_allclose(policy.bound, expected)
    assert set(policy.choose(ITEMS)) == {2}


def test_best_elements_together_though_never_shown_together() -> None:
    arms = table([[(0, 0), (0, 1), (1, 0), (1, 1)]])
    policy = told(IndependentGreedy(arms, 0, epsilon=0.0), [0, 0, 1, 2], [0, 0, 1, 1])
    assert set(policy.choose(ITEMS)) == {3}


def test_an_illegal_best_element_is_replaced_by_any_legal_one() -> None:
    """Best are element 1 of slot 0 (2 of 4, the other 2 of 6) and element 0 of slot 1 (2 of 2), not listed together."""
    arms = table([[(0, 0), (0, 1), (1, 1), (1, 2)]])
    policy = IndependentGreedy(arms, 0, epsilon=0.0)
    told(policy, [0, 0, 1, 1, 1, 1, 2, 2, 3, 3], [1, 1, 0, 0, 0, 0, 1, 0, 1, 0])
    shares = np.bincount(policy.choose(ITEMS), minlength=4) / 1000
    np.testing.assert_allclose(shares, [0, 0, 0.5, 0.5], atol=0.06)
