"""A log of revenue as a rate and the value of an event."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.kits.revenue_dataset import CONVERSIONS, revenue_dataset
from tests.kits.small_dataset import part, spoil, write_small

from genco.errors import DataError
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.revenue_log import rate_log, valued_batches
from genco.storage.validate import validate_dataset


def test_conversions_count_where_the_log_has_any(tmp_path: Path) -> None:
    dataset = revenue_dataset(tmp_path / "d")
    rates = rate_log(dataset)
    assert rates.meta.reward == "num_conversions" and rates.fingerprint() == dataset.fingerprint()
    ((batch, value),) = valued_batches(dataset, rates)
    assert batch.reward.tolist() == CONVERSIONS.to_list()
    assert value.tolist() == [10.0, 4.0, 0.0, 4.0, 30.0, 0.0, 30.0, 4.0, 0.0, 4.0, 10.0, 0.0]


def test_clicks_count_where_it_has_none_or_the_run_learned_them(tmp_path: Path) -> None:
    without = revenue_dataset(tmp_path / "a", pl.Series("revenue", [0.0, 3.0] * 6))
    rates = rate_log(without)
    assert rates.meta.reward == "num_clicks"
    ((_, value),) = valued_batches(without, rates)
    assert value.tolist() == [0.0, 1.5] * 6
    assert rate_log(revenue_dataset(tmp_path / "b"), "num_clicks").meta.reward == "num_clicks"


def test_a_log_of_counts_is_itself_and_every_event_worth_one(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    assert rate_log(dataset, "num_conversions") is dataset
    ((batch, value),) = valued_batches(dataset, dataset)
    assert value.tolist() == [1.0] * 12 and batch.reward.sum() == 12


def test_revenue_without_an_event_is_refused(tmp_path: Path) -> None:
    dataset = spoiled(tmp_path / "d", "revenue", 5, 2.5)
    with pytest.raises(DataError, match=r"row 5 of the log.*expected where num_conversions is 0.*Found 2\.5"):
        list(valued_batches(dataset, rate_log(dataset)))


def test_negative_revenue_is_refused_as_reward_only(tmp_path: Path) -> None:
    dataset = spoiled(tmp_path / "d", "revenue", 3, -1.0)
    with pytest.raises(DataError, match=r"row 3, column 'revenue': a number from 0 is expected of a reward. Found -1"):
        list(valued_batches(dataset, rate_log(dataset)))
    assert [found.rule for found in validate_dataset(dataset.path)] == ["amount"]
    assert validate_dataset(spoiled(tmp_path / "e", "revenue", 3, -1.0, reward="num_clicks").path) == []


def test_more_conversions_than_impressions_are_refused(tmp_path: Path) -> None:
    dataset = spoiled(tmp_path / "d", "num_conversions", 0, 2)
    with pytest.raises(DataError, match="at most the row's num_impressions is expected in num_conversions"):
        rate_log(dataset)
    assert [found.rule for found in validate_dataset(dataset.path)] == ["num_conversions_above_impressions"]


def spoiled(folder: Path, column: str, row: int, value: float, **meta: str) -> Dataset:
    dataset = revenue_dataset(folder, **meta)
    spoil(part(folder), column, row, value)
    return open_dataset(dataset.path)
