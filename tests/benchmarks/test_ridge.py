from __future__ import annotations

import numpy as np
import pytest

from genco.benchmarks.ridge import Packages, chosen_penalty, fit_ridge
from genco.errors import DataError


def packages(weight: float, num_groups: int = 60, seed: int = 0) -> Packages:
    """Two packages a group; the log rate grows by `weight` per unit of the first feature."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2 * num_groups, 3))
    group = np.repeat(np.arange(num_groups), 2)
    level = rng.normal(-4, 0.5, num_groups)[group]
    trials = np.full(2 * num_groups, 1e9)
    return Packages(features, trials, trials * np.exp(level + weight * features[:, 0]), group)


def test_by_hand() -> None:
    # One group, x = -1 and 1 after centring, y = -log(3)/2 and log(3)/2: b = (x.y) / (x.x + penalty) = log(3) / 3.
    two = Packages(np.array([[0.0], [2.0]]), np.array([1e9, 1e9]), np.array([1e8, 3e8]), np.array([0, 0]))
    assert fit_ridge(two, 1.0)[0] == pytest.approx(np.log(3) / 3, rel=1e-6)


def test_recovers_a_planted_weight_whatever_the_level_of_the_group() -> None:
    np.testing.assert_allclose(fit_ridge(packages(0.3), 1e-6), [0.3, 0, 0], atol=1e-6)


def test_without_noise_the_least_penalty_is_chosen_and_with_nothing_to_learn_the_largest() -> None:
    assert chosen_penalty(packages(0.3), packages(0.3, seed=1), (0.1, 10.0, 1_000.0)) == 0.1
    assert chosen_penalty(packages(0.3), packages(-0.3, seed=1), (0.1, 10.0, 1_000.0)) == 1_000.0


def test_nothing_kept_out_is_refused() -> None:
    full = packages(0.3)
    with pytest.raises(DataError, match=r"`kept_out` should hold at least one package. Found none"):
        chosen_penalty(full, full.take(np.array([], dtype=int)))
