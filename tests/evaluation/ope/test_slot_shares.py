"""Slot shares of a log, counted by hand; and whether propensities are their product."""

from __future__ import annotations

import numpy as np
import pytest

from genco.evaluation.ope.slot_shares import SlotShares, dependence

PRODUCT = np.array([0, 0, 2], dtype=np.int32)
COMBINATION = np.array([[0, -1], [1, -1], [3, 4]], dtype=np.int32)


def test_by_hand() -> None:
    shares = SlotShares(2, 5).update(PRODUCT, COMBINATION, np.array([3.0, 1.0, 2.0]))
    share, shown = shares.of(PRODUCT, COMBINATION)
    np.testing.assert_allclose(share, [[0.75, 1], [0.25, 1], [1, 1]])
    np.testing.assert_allclose(shown, [[3, 4], [1, 4], [2, 2]])
    never, _ = shares.of(np.array([1], dtype=np.int32), np.array([[0, -1]], dtype=np.int32))
    assert never.tolist() == [[0, 0]]


def test_shards_add_up() -> None:
    whole = SlotShares(2, 5).update(PRODUCT, COMBINATION, np.ones(3))
    parts = [SlotShares(2, 5).update(PRODUCT[i:j], COMBINATION[i:j], np.ones(j - i)) for i, j in ((0, 1), (1, 3))]
    merged = parts[1] + parts[0]
    np.testing.assert_array_equal(merged.codes, whole.codes)
    np.testing.assert_array_equal(merged.count, whole.count)


def test_dependence() -> None:
    shares, shown = np.full((100, 2), 0.5), np.full((100, 2), 1e6)
    assert dependence(shares, shown, np.full(100, 0.25)) == 0
    assert dependence(shares, shown, np.full(100, 0.5)) == pytest.approx(np.log(2), rel=1e-4)
