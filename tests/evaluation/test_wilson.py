"""The Wilson interval against figures worked by hand."""

from __future__ import annotations

import pytest

from genco.evaluation.wilson import wilson


def test_by_hand() -> None:
    low, high = wilson(10, 100)
    assert (low, high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 40), (1, 1), (40, 40), (3, 7)])
def test_it_contains_the_rate_and_stays_between_0_and_1(successes: int, trials: int) -> None:
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1 and low < high
