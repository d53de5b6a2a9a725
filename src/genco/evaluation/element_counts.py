"""Impressions and rewards of every element in every slot; counts of shards add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.data.catalogue import EMPTY, Catalogue

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ElementCounts:
    """impressions, reward: [slot, element + 1], the last column the empty element · product_impressions: [product] ·
    total_reward: of all impressions · first, last: microseconds since 1970 UTC, 0 = not logged.

    Every impression counts once in every slot: each row of `impressions` adds up to the impressions of the log.
    """

    impressions: Floats
    reward: Floats
    product_impressions: Floats
    total_reward: float = 0.0
    first: int = 0
    last: int = 0

    @classmethod
    def empty(cls, catalogue: Catalogue) -> ElementCounts:
        zeros = np.zeros((catalogue.num_slots, catalogue.num_elements + 1))
        return cls(zeros, zeros, np.zeros(catalogue.num_products))

    @property
    def total_impressions(self) -> float:
        return float(self.product_impressions.sum())

    def __add__(self, other: ElementCounts) -> ElementCounts:
        firsts = [time for time in (self.first, other.first) if time > 0]
        return ElementCounts(
            self.impressions + other.impressions,
            self.reward + other.reward,
            self.product_impressions + other.product_impressions,
            self.total_reward + other.total_reward,
            min(firsts, default=0),
            max(self.last, other.last),
        )

    def update(self, batch: ImpressionBatch) -> ElementCounts:
        """Add the rows of a batch."""
        num_columns = self.impressions.shape[1]

        def by_slot(values: NDArray[np.float32]) -> Floats:
            shown = np.where(batch.combination == EMPTY, num_columns - 1, batch.combination)
            return np.stack([np.bincount(column, weights=values, minlength=num_columns) for column in shown.T])

        num_products = len(self.product_impressions)
        times = batch.timestamp[batch.timestamp > 0]
        return self + ElementCounts(
            by_slot(batch.num_impressions),
            by_slot(batch.reward),
            np.bincount(batch.product, batch.num_impressions, num_products).astype(np.float64),
            float(batch.reward.sum(dtype=np.float64)),
            int(times.min(initial=np.iinfo(np.int64).max)) if len(times) else 0,
            int(times.max(initial=0)),
        )


def count_elements(catalogue: Catalogue, batches: Iterable[ImpressionBatch]) -> ElementCounts:
    """The counts of a whole log, in one pass."""
    counts = ElementCounts.empty(catalogue)
    for batch in batches:
        counts = counts.update(batch)
    return counts
