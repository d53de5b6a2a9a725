from __future__ import annotations

import numpy as np
import pytest

from genco.benchmarks.paired_bootstrap import paired_bootstrap
from genco.errors import DataError


def test_by_hand() -> None:
    found = paired_bootstrap(np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0]), np.array([7, 7, 9]))
    assert found.difference == pytest.approx(1 / 3)
    # Draws of two groups: (7, 7) gives 1/2, (7, 9) 1/3, (9, 9) 0.
    assert found.low == 0 and found.high == 0.5


def test_error_is_that_of_a_mean_of_groups() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=400)
    found = paired_bootstrap(first, np.zeros(400), np.arange(400), num_draws=4_000)
    assert found.error == pytest.approx(first.std() / 20, rel=0.05)


def test_equal_scores_have_no_difference_and_no_error() -> None:
    scores = np.array([0.0, 1.0, 0.5])
    found = paired_bootstrap(scores, scores, np.array([0, 1, 2]))
    assert (found.difference, found.error) == (0.0, 0.0)


def test_seeds_repeat() -> None:
    scores = np.random.default_rng(1).normal(size=30), np.zeros(30), np.arange(30)
    assert paired_bootstrap(*scores, seed=3) == paired_bootstrap(*scores, seed=3)


def test_no_case_is_refused() -> None:
    with pytest.raises(DataError, match=r"at least one case. Found none"):
        paired_bootstrap(np.zeros(0), np.zeros(0), np.zeros(0, dtype=int))
