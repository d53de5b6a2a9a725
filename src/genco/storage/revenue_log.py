"""A log whose reward is revenue, read as what it is made of: a rate of events, and the revenue of one event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.errors import DataError
from genco.storage.dataset import Dataset


def is_revenue(dataset: Dataset) -> bool:
    return dataset.meta.reward == "revenue"


def rate_log(dataset: Dataset, column: str | None = None) -> Dataset:
    """The same log with the events of `column` as reward; a log that counts events already is returned as it is.

    column: num_conversions where the log has any, else num_clicks, if None.
    """
    if not is_revenue(dataset):
        return dataset
    if column is None:
        conversions = _counting(dataset, "num_conversions")
        if any(batch.reward.any() for batch in conversions.batches()):
            return conversions
    return _counting(dataset, column or "num_clicks")


def valued_batches(dataset: Dataset, rates: Dataset) -> Iterator[tuple[ImpressionBatch, NDArray[np.float64]]]:
    """Batches of `rates`, each with the mean revenue of one event of every row [batch], 0 where there is no event.

    dataset: the log as it is; where its reward is no revenue, every event is worth 1. Raises `DataError` for a row with
    revenue and no event.
    """
    if not is_revenue(dataset):
        yield from ((batch, np.ones(len(batch))) for batch in rates.batches())
        return
    read = 0
    for batch, amounts in zip(rates.batches(), dataset.batches(), strict=True):
        events, revenue = batch.reward.astype(np.float64), amounts.reward.astype(np.float64)
        without = np.flatnonzero((revenue > 0) & (events == 0))
        if len(without):
            raise DataError(
                f"{dataset.path}, row {read + without[0]} of the log, column 'revenue': 0 is expected where "
                f"{rates.meta.reward} is 0, since revenue is learned as rate times value of an event. "
                f"Found {revenue[without[0]]:g}."
            )
        read += len(batch)
        yield batch, revenue / np.maximum(events, 1.0)


def _counting(dataset: Dataset, column: str) -> Dataset:
    return Dataset(dataset.path, replace(dataset.meta, reward=column), dataset.files)
