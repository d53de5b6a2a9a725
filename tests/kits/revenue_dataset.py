"""The small dataset with revenue: product p1 sells at 10 and 30, p2 at 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from tests.kits.small_dataset import ELEMENTS, IMPRESSIONS, PRODUCTS, small_meta

from genco.storage.dataset import Dataset, open_dataset
from genco.storage.writer import DatasetWriter

CONVERSIONS = pl.Series("num_conversions", [1, 1, 0, 2, 1, 0, 1, 3, 0, 1, 1, 0])
REVENUE = pl.Series("revenue", [10.0, 4.0, 0.0, 8.0, 30.0, 0.0, 30.0, 12.0, 0.0, 4.0, 10.0, 0.0])


def revenue_dataset(folder: Path, *columns: pl.Series, **meta: Any) -> Dataset:
    """Write and open it. columns: of twelve rows, instead of conversions and revenue."""
    with DatasetWriter(folder, small_meta(**{"reward": "revenue", **meta})) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        writer.append_impressions(IMPRESSIONS.with_columns(*(columns or (CONVERSIONS, REVENUE))))
    return open_dataset(folder)
