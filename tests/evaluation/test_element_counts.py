"""Counts by hand; shards add up to the whole; every impression counts once in every slot."""

from __future__ import annotations

import numpy as np
from tests.kits.small_models import small_catalogue

from genco.data.batch import ImpressionBatch
from genco.evaluation.element_counts import ElementCounts, count_elements


def batch(
    product: list[int], combination: list[list[int]], impressions: list[float], reward: list[float], time: int
) -> ImpressionBatch:
    return ImpressionBatch(
        np.array(product, dtype=np.int32),
        np.array(combination, dtype=np.int32),
        np.array(impressions, dtype=np.float32),
        np.array(reward, dtype=np.float32),
        np.full(len(product), np.nan, dtype=np.float32),
        np.full(len(product), time, dtype=np.int64),
    )


CATALOGUE = small_catalogue()
FIRST = batch([0, 0], [[0, 4, 7, -1, 8], [1, 4, 8, 11, 7]], [10, 1], [2, 1], 5_000_000)
SECOND = batch([1], [[13, 17, 20, -1, 21]], [4], [0], 9_000_000)


def test_by_hand() -> None:
    counts = count_elements(CATALOGUE, [FIRST, SECOND])
    assert counts.impressions[1, 4] == 11 and counts.reward[1, 4] == 3
    assert counts.impressions[2, 7] == 10 and counts.impressions[4, 7] == 1
    assert counts.impressions[3, -1] == 14 and counts.reward[3, -1] == 2
    assert counts.product_impressions.tolist() == [11, 4, 0]
    assert (counts.total_impressions, counts.total_reward) == (15, 3)
    assert (counts.first, counts.last) == (5_000_000, 9_000_000)
    assert counts.impressions.sum(axis=1).tolist() == [15] * 5
    assert counts.reward.sum(axis=1).tolist() == [3] * 5


def test_shards_add_up() -> None:
    whole = count_elements(CATALOGUE, [FIRST, SECOND])
    parts = count_elements(CATALOGUE, [SECOND]) + count_elements(CATALOGUE, [FIRST])
    np.testing.assert_array_equal(parts.impressions, whole.impressions)
    np.testing.assert_array_equal(parts.reward, whole.reward)
    assert (parts.first, parts.last, parts.total_reward) == (whole.first, whole.last, whole.total_reward)


def test_nothing_and_times_that_were_not_logged() -> None:
    nothing = ElementCounts.empty(CATALOGUE)
    assert nothing.total_impressions == 0 and nothing.first == nothing.last == 0
    untimed = nothing.update(batch([0], [[0, 4, 7, -1, 8]], [1], [0], 0))
    assert (untimed.first, untimed.last) == (0, 0)
