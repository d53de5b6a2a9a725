import sys

import numpy as np
import pytest
from tests.kits.online_policy import table

from genco.benchmarks.peers.mabwiser_elements import mabwiser_lin_ucb, mabwiser_thompson
from genco.errors import ConfigError


@pytest.mark.parametrize("make", [mabwiser_thompson, mabwiser_lin_ucb])
def test_says_which_extra_is_missing(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mabwiser.mab", None)
    with pytest.raises(ConfigError, match=r"genco\[peers\]"):
        make(table([[(0,), (1,)]]), 0)


def test_the_library_counts_what_the_slots_showed() -> None:
    pytest.importorskip("mabwiser")
    policy = mabwiser_thompson(table([[(0, 0), (0, 1), (1, 0)]]), 0)
    policy.update(np.zeros(4, dtype=np.int32), np.array([0, 1, 1, 2]), np.array([1, 0, 1, 0]))
    first, second = (bandit._imp for bandit in policy._bandits)
    assert (first.arm_to_success_count, first.arm_to_fail_count) == ({0: 3, 1: 1}, {0: 2, 1: 2})
    assert (second.arm_to_success_count, second.arm_to_fail_count) == ({0: 2, 1: 2}, {0: 2, 1: 2})


def test_lin_ucb_by_hand() -> None:
    """Context (1), ridge 1, alpha 1: element 0 shown twice and clicked once 1/3 + sqrt(1/3), element 1 never 0 + 1."""
    pytest.importorskip("mabwiser")
    policy = mabwiser_lin_ucb(table([[(0,), (1,)]]), 0, alpha=1.0)
    policy.update(np.zeros(2, dtype=np.int32), np.array([0, 0]), np.array([1, 0]))
    expected = policy._bandits[0].predict_expectations([[1.0]])
    np.testing.assert_allclose([expected[0], expected[1]], [1 / 3 + np.sqrt(1 / 3), 1.0])
    assert policy.choose(np.zeros(3, dtype=np.int32)).tolist() == [1, 1, 1]
