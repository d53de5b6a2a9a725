"""Effective sample size and mean weight by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from genco.errors import SupportError
from genco.evaluation.ope import IPS
from genco.evaluation.ope.support import Support
from genco.evaluation.ope.terms import terms


def of_weights(*weight: float, count: float = 1.0) -> Support:
    return Support().update(terms(np.zeros(len(weight)), 1.0, np.array(weight), count))


def test_by_hand() -> None:
    found = of_weights(2, 0, 1, 1)
    assert (found.effective_size, found.mean_weight) == (16 / 6, 1.0)
    assert found.mean_weight_error == pytest.approx(np.sqrt(0.5 / 4))
    assert of_weights(3, 3, 3).effective_size == 3
    assert of_weights(2, 0, count=3).effective_size == 3


def test_shards_add_up() -> None:
    assert of_weights(2, 0) + of_weights(1, 1) == of_weights(2, 0, 1, 1)
    assert Support() + of_weights(2) == of_weights(2)


def test_nothing() -> None:
    assert Support().effective_size == 0 and np.isnan(Support().mean_weight)
    with pytest.raises(SupportError, match=r"should be at least 400. Found 0.0 of 0 impressions"):
        Support().check_size()


def test_refusals() -> None:
    with pytest.raises(SupportError, match=r"should be at least 3. Found 2.7 of 4 impressions"):
        of_weights(2, 0, 1, 1).check_size(3)
    of_weights(2, 0, 1, 1).check_mean_weight()
    low = Support().update(IPS().terms(np.full(500, 0.5), np.tile([0.1, 0.3], 250), np.zeros(500)))
    with pytest.raises(SupportError, match=r"Found 0.4 with standard error 0.0089: the policy shows what these 500"):
        low.check_mean_weight()
    with pytest.raises(SupportError, match=r"Found 1.5 with standard error .*: the logged propensities are wrong"):
        of_weights(*np.tile([1.4, 1.6], 250)).check_mean_weight()
