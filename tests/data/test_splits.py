"""Splits by time and by product: shares by hand, stability, agreement between batches."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genco.data.batch import ImpressionBatch
from genco.data.catalogue import Catalogue, Slot
from genco.data.splits import Split, product_mask, time_cut
from genco.errors import ConfigError

IDS = [f"p{i}" for i in range(2000)]


def _catalogue(ids: list[str]) -> Catalogue:
    elements = pl.DataFrame({"element_id": ["e"], "product_id": [None], "component": ["a"], "status": ["approved"]})
    return Catalogue((Slot("a", "a"),), pl.DataFrame({"product_id": ids}), elements)


def _batch(product: list[int], timestamp: list[int]) -> ImpressionBatch:
    ones = np.ones(len(product), dtype=np.float32)
    rows = np.array(product, dtype=np.int32)
    return ImpressionBatch(rows, np.zeros((len(rows), 1), np.int32), ones, ones, ones, np.array(timestamp))


def test_time_cut_by_hand() -> None:
    times = np.array([40, 10, 30, 20])
    assert time_cut(times, 0.25) == 30
    assert time_cut(times, 0.5) == 20
    assert time_cut(times, 0.0) == 40
    assert time_cut(times, 1.0) == 9
    assert time_cut(np.array([5, 5, 5, 9]), 0.5) == 5
    assert time_cut(np.zeros(4, dtype=np.int64), 0.5) == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.floats(0, 1))
def test_at_most_the_share_is_held_out(times: list[int], share: float) -> None:
    held_out = int(np.sum(np.array(times) > time_cut(np.array(times), share)))
    assert held_out <= share * len(times) + 1e-9
    if len(set(times)) == len(times):
        assert held_out > share * len(times) - 1


def test_split_by_time() -> None:
    split = Split("time", 20)
    assert split.held_out(_batch([0, 0, 0], [10, 20, 21]), _catalogue(["p"])).tolist() == [False, False, True]


def test_split_by_product_holds_out_whole_products() -> None:
    split, catalogue = Split("product", 0.2), _catalogue(IDS)
    product = np.random.default_rng(0).integers(2000, size=5000).tolist()
    mask = split.held_out(_batch(product, [0] * 5000), catalogue)
    assert mask.tolist() == product_mask(IDS, 0.2)[product].tolist()
    assert 0.16 < product_mask(IDS, 0.2).mean() < 0.24


def test_products_keep_their_side() -> None:
    """In another order, beside other products, and when the share grows. The last is a golden value."""
    small, large = product_mask(IDS, 0.1), product_mask(IDS, 0.3)
    assert np.all(large[small])
    assert product_mask(IDS[::-1], 0.1).tolist() == small[::-1].tolist()
    assert np.flatnonzero(product_mask(IDS[:40], 0.1)).tolist() == GOLDEN


GOLDEN = [18, 25]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_degenerate_shares(share: float) -> None:
    assert product_mask(IDS, share).mean() == share
    assert product_mask([], share).tolist() == []


def test_nothing_held_out() -> None:
    assert not Split("none").held_out(_batch([0, 0], [1, 2]), _catalogue(["p"])).any()
    assert Split("product", 0.5).held_out(_batch([], []), _catalogue(["p"])).tolist() == []


def test_bad_parameters_are_named() -> None:
    with pytest.raises(ConfigError, match=r"`by` should be one of none, time, product. Found 'week'"):
        Split("week")
    with pytest.raises(ConfigError, match=r"`held_out` should be in \[0, 1\]. Found 1.5"):
        Split("product", 1.5)
    with pytest.raises(ConfigError, match=r"at least one row. Found none"):
        time_cut(np.array([], dtype=np.int64), 0.1)
