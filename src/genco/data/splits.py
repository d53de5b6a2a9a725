"""How a log is divided into rows for training and rows held out: by time, or by whole products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.data.catalogue import Catalogue
from genco.errors import ConfigError
from genco.rng import stable_hash

KINDS = ("none", "time", "product")
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Which rows are held out, decided row by row, so that shards and batches agree.

    by = "time": rows later than `cut` microseconds since 1970 UTC · "product": the share `cut` of products, by a stable
    hash of their id · "none": nothing.
    """

    by: str
    cut: float = 0.0

    def __post_init__(self) -> None:
        if self.by not in KINDS:
            raise ConfigError(f"Parameter `by` should be one of {', '.join(KINDS)}. Found {self.by!r}.")
        if self.by == "product":
            _check_share(self.cut)

    def held_out(self, batch: ImpressionBatch, catalogue: Catalogue) -> Mask:
        """Mask [batch], True = held out."""
        if self.by == "time":
            return np.asarray(batch.timestamp > self.cut)
        held_out = np.zeros(catalogue.num_products, dtype=bool)
        if self.by == "product":
            present = np.flatnonzero(np.bincount(batch.product, minlength=catalogue.num_products))
            ids = catalogue.products["product_id"].gather(present).to_list()
            held_out[present] = product_mask(ids, self.cut)
        return np.asarray(held_out[batch.product])


def time_cut(timestamps: NDArray[np.int64], held_out: float) -> int:
    """The cut such that the newest share `held_out` of rows lies after it; rows at the cut itself stay for training.

    Equal timestamps stay together, so at most that share is held out: nothing where all are equal (or not logged).
    Raises `ConfigError` if `held_out` is not in [0, 1], or there is no row.
    """
    _check_share(held_out)
    if not len(timestamps):
        raise ConfigError("Parameter `timestamps` should hold at least one row. Found none.")
    kept = min(len(timestamps) - 1, int(np.ceil((1 - held_out) * len(timestamps))) - 1)
    if kept < 0:
        return int(timestamps.min()) - 1
    return int(np.partition(timestamps, kept)[kept])


def product_mask(product_ids: Sequence[str], held_out: float) -> Mask:
    """Mask [product], True = held out: about the share `held_out`, by a hash of the id alone.

    A product keeps its side whatever else is in the catalogue, and stays held out when the share grows.
    Raises `ConfigError` if `held_out` is not in [0, 1].
    """
    _check_share(held_out)
    limit = held_out * 2.0**64
    return np.array([stable_hash("split", product_id) < limit for product_id in product_ids], dtype=bool)


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(f"Parameter `held_out` should be in [0, 1]. Found {share}.")
