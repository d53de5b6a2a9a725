"""A small dataset to spoil: two products, titles of their own, shared badges, twelve impressions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from genco.data.catalogue import Slot
from genco.storage.dataset_toml import DatasetMeta
from genco.storage.writer import DatasetWriter

SLOTS = (Slot("title", "title"), Slot("badge", "badge", required=False))
PRODUCTS = pl.DataFrame({"product_id": ["p1", "p2"], "price": [10.0, None]})
ELEMENTS = pl.DataFrame(
    {
        "element_id": ["t1", "t2", "t3", "b1"],
        "product_id": ["p1", "p1", "p2", None],
        "component": ["title", "title", "title", "badge"],
        "text": ["Red", "Blue", "Grün 绿", None],
        "image_uri": pl.Series([None] * 4, dtype=pl.String),
        "status": ["approved", "approved", "approved", "approved"],
        "length": [3.0, 4.0, 6.0, None],
    }
)
IMPRESSIONS = pl.DataFrame(
    {
        "impression_id": [f"i{i}" for i in range(12)],
        "timestamp": pl.Series([1_000_000 * i for i in range(12)]).cast(pl.Datetime("us")),
        "product_id": ["p1", "p2"] * 6,
        "segment": ["new", "old", None] * 4,
        "title": ["t1", "t3", "t2", "t3"] * 3,
        "badge": ["b1", None, None] * 4,
        "num_impressions": [1, 5] * 6,
        "num_clicks": [0, 2] * 6,
        "propensity": [0.5, None] * 6,
    }
)


def small_meta(**changes: Any) -> DatasetMeta:
    return DatasetMeta(**{"name": "small", "slots": SLOTS, "context": ("segment",), **changes})


def write_small(folder: Path, **meta: Any) -> Path:
    """Write the sound dataset at `folder`."""
    with DatasetWriter(folder, small_meta(**meta)) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        writer.append_impressions(IMPRESSIONS)
    return folder


def part(folder: Path) -> Path:
    """The only impressions file of a small dataset."""
    return folder / "impressions" / "part-00000.parquet"


def spoil(path: Path, column: str, row: int, value: Any, dtype: pl.DataType | None = None) -> None:
    """Overwrite one cell of a Parquet file."""
    table = pl.read_parquet(path)
    values = table[column].to_list()
    values[row] = value
    table.with_columns(pl.Series(column, values, dtype=dtype or table[column].dtype)).write_parquet(path)
