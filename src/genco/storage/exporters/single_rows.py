"""A log impression by impression, as the outside formats want it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from genco.errors import ConfigError, DataError
from genco.storage.dataset import Dataset
from genco.storage.impression_checks import ImpressionJoiner, read_columns, text_columns

BATCH_ROWS = 20_000


@dataclass(frozen=True)
class SingleRows:
    """product: row of the catalogue [n] · combination: element rows [n, slot], -1 = empty · click: 0 or 1 [n], of the
    dataset's reward column · propensity: [n], as stored, never null · timestamp: microseconds [n] · context: columns
    [n] · num_dropped: impressions before these (and after the previous ones) without a propensity."""

    product: NDArray[np.int32]
    combination: NDArray[np.int32]
    click: NDArray[np.int64]
    propensity: NDArray[np.float64]
    timestamp: NDArray[np.int64]
    context: dict[str, NDArray[np.generic]]
    num_dropped: int

    def __len__(self) -> int:
        return len(self.product)


def single_rows(dataset: Dataset) -> Iterator[SingleRows]:
    """Yield the log in its order; a row of n impressions and k clicks becomes n rows, the first k clicked.

    Raises `DataError` as reading a dataset does, and where a row has more rewards than impressions; `ConfigError`
    where the reward is revenue, which is no click.
    """
    if dataset.meta.reward == "revenue":
        raise ConfigError("Key `reward` should be num_clicks or num_conversions for this format. Found 'revenue'.")
    joiner = ImpressionJoiner(dataset.catalogue, dataset.meta)
    for file in dataset.files:
        columns = read_columns(dataset.meta, file.schema.names)
        for numbers, rows in file.stream(columns, text_columns(dataset.meta), BATCH_ROWS):
            batch = joiner.join(rows, str(file.path), numbers)
            propensity = _propensity(rows)
            many = np.flatnonzero(batch.reward > batch.num_impressions)
            if len(many):
                where = f"{file.path}, row {numbers[many[0]]}, column {dataset.meta.reward!r}"
                raise DataError(
                    f"{where}: at most one reward an impression is expected. Found {batch.reward[many[0]]:g}."
                )
            counts = batch.num_impressions.astype(np.int64)
            known = ~np.isnan(propensity)
            kept = np.repeat(np.flatnonzero(known), counts[known])
            place = np.arange(len(kept)) - np.repeat(np.cumsum(counts[known]) - counts[known], counts[known])
            yield SingleRows(
                product=batch.product[kept],
                combination=batch.combination[kept],
                click=(place < batch.reward[kept]).astype(np.int64),
                propensity=propensity[kept],
                timestamp=batch.timestamp[kept],
                context={name: values[kept] for name, values in batch.context.items()},
                num_dropped=int(counts[~known].sum()),
            )


def _propensity(rows: pa.RecordBatch) -> NDArray[np.float64]:
    """As stored, in full precision; NaN = not logged."""
    if "propensity" not in rows.schema.names:
        return np.full(rows.num_rows, np.nan)
    values: NDArray[np.float64] = rows.column("propensity").cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values
