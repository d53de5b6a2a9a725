"""Peers with a linear model: the fit, LinUCB's bound, draws, and the tree's best arm."""

import itertools

import numpy as np
from tests.kits.online_policy import aes_shaped, table

from genco.benchmarks.online.arm_table import ROOT
from genco.benchmarks.online.tables import AES_PARENTS
from genco.benchmarks.peers.counts import ArmCounts
from genco.benchmarks.peers.lin_ucb import LinUcb
from genco.benchmarks.peers.linear_bandit import fit_linear
from genco.benchmarks.peers.linear_sampler import LinearSampler
from genco.benchmarks.peers.te_greedy import te_greedy


def test_one_update_of_lin_ucb_by_hand() -> None:
    """One slot: A = diag(1 + 2, 1 + 0), b = (1, 0); bounds 1/3 + sqrt(1/3) and 0 + 1."""
    policy = LinUcb(table([[(0,), (1,)]]), 0, alpha=1.0, ridge=1.0)
    policy.update(np.zeros(2, dtype=np.int32), np.array([0, 0]), np.array([1, 0]))
    np.testing.assert_allclose(policy.bound, [1 / 3 + np.sqrt(1 / 3), 1.0])
    assert policy.choose(np.zeros(3, dtype=np.int32)).tolist() == [1, 1, 1]


def test_fit_equals_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    features = (rng.random((30, 6)) < 0.4).astype(float)
    counts = ArmCounts(30)
    counts.add(rng.integers(30, size=500), rng.integers(2, size=500))
    design = features.T @ np.diag(counts.views) @ features
    fit = fit_linear(features, counts, 0.5)
    inverse = np.linalg.inv(design + 0.5 * np.eye(6))
    np.testing.assert_allclose(fit.root @ fit.root.T, inverse)
    np.testing.assert_allclose(fit.mean, inverse @ features.T @ counts.clicks)


def test_without_ridge_the_pseudo_inverse() -> None:
    """Elements of two slots are collinear: their columns of each slot sum to one."""
    arms = table([list(itertools.product(range(2), range(3)))])
    features = np.hstack([np.eye(2)[arms.elements[:, 0]], np.eye(3)[arms.elements[:, 1]]])
    counts = ArmCounts(6)
    counts.add(np.arange(6).repeat(5), np.tile([1, 0, 0, 1, 0], 6))
    fit = fit_linear(features, counts, 0.0)
    np.testing.assert_allclose(fit.root @ fit.root.T, np.linalg.pinv(features.T @ features * 5), atol=1e-12)
    np.testing.assert_allclose(features @ fit.mean, 0.4)


def test_draws_have_the_posterior_covariance() -> None:
    arms = table([[(0,), (1,)]])
    policy = LinearSampler(arms, np.eye(2), np.random.default_rng(0), ridge=1.0, variance=0.25)
    policy.update(np.zeros(4, dtype=np.int32), np.array([0, 0, 0, 1]), np.array([1, 1, 0, 0]))
    drawn = policy.drawn_scores(slice(0, 2), 40_000)
    np.testing.assert_allclose(drawn.mean(axis=0), [0.5, 0.0], atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), np.diag([0.25 / 4, 0.25 / 2]), atol=0.003)


def test_greedy_explores_a_tenth() -> None:
    arms = aes_shaped()
    policy = te_greedy(arms, 0)
    rng = np.random.default_rng(0)
    shown = rng.integers(200, size=4000)
    policy.update(np.zeros(4000, dtype=np.int32), shown, (arms.elements[shown, 1] == 3).astype(np.int64))
    third = arms.elements[policy.choose(np.zeros(20_000, dtype=np.int32)), 1] == 3
    assert abs(third.mean() - (0.9 + 0.1 / 5)) < 0.01


def test_best_listed_arm_is_what_dynamic_programming_over_the_tree_finds() -> None:
    """Both for random weights of the AES tree's edges, illegal pairs at minus infinity."""
    arms = aes_shaped()
    rng = np.random.default_rng(2)
    for _ in range(20):
        weights = []
        score = np.zeros(arms.num_arms)
        for slot, parent in enumerate(AES_PARENTS):
            above = np.zeros(arms.num_arms, dtype=np.int64) if parent == ROOT else arms.elements[:, parent]
            edge = above, arms.elements[:, slot]
            shape = (1 if parent == ROOT else arms.num_elements[parent], arms.num_elements[slot])
            weights.append(np.full(shape, -np.inf))
            weights[slot][edge] = rng.standard_normal(shape)[edge]
            score += weights[slot][edge]
        assert arms.elements[score.argmax()].tolist() == _by_dynamic_programming(weights)


def _by_dynamic_programming(weights: list[np.ndarray]) -> list[int]:
    """Children before parents: the best value below every element, then the best elements from the root down."""
    best = [np.zeros(0, dtype=np.int64)] * len(weights)
    below = [np.zeros(table.shape[1]) for table in weights]
    for slot in reversed(range(len(weights))):
        total = weights[slot] + below[slot]
        best[slot] = total.argmax(axis=1)
        if AES_PARENTS[slot] != ROOT:
            below[AES_PARENTS[slot]] += total.max(axis=1)
    chosen: list[int] = []
    for slot, parent in enumerate(AES_PARENTS):
        chosen.append(int(best[slot][0 if parent == ROOT else chosen[parent]]))
    return chosen
