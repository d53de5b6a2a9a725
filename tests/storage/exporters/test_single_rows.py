"""Aggregated rows impression by impression."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.kits.small_dataset import part, spoil, write_small

from genco.errors import ConfigError, DataError
from genco.storage.dataset import open_dataset
from genco.storage.exporters.single_rows import single_rows


def test_rows_with_counts_are_spread_and_rows_without_propensity_counted(tmp_path: Path) -> None:
    write_small(tmp_path / "d")
    spoil(part(tmp_path / "d"), "propensity", 1, 0.1)  # p2: five impressions, two clicks
    (rows,) = single_rows(open_dataset(tmp_path / "d"))
    assert (len(rows), rows.num_dropped) == (6 + 5, 5 * 5)
    assert rows.product.tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert rows.click.tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert rows.propensity.tolist() == [0.5, *[0.1] * 5, *[0.5] * 5]  # 0.1 in full, not as float32
    assert rows.combination[:2].tolist() == [[0, 3], [2, -1]]
    assert rows.context["segment"].tolist()[:2] == ["new", "old"]


def test_revenue_is_no_click(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    dataset.meta = replace(dataset.meta, reward="revenue")
    with pytest.raises(ConfigError, match="Found 'revenue'"):
        list(single_rows(dataset))


def test_more_rewards_than_impressions_are_refused(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    spoil(part(tmp_path / "d"), "num_conversions", 2, 7)
    dataset.meta = replace(dataset.meta, reward="num_conversions")
    with pytest.raises(DataError, match=r"row 2, column 'num_conversions'.*Found 7"):
        list(single_rows(dataset))
