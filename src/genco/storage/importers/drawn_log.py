"""A log drawn from a table of click-through rates: single impressions, uniform over legal combinations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from genco.errors import ConfigError
from genco.rng import stream
from genco.storage.dataset import DatasetMeta
from genco.storage.importers.rate_table import TRUTH_INFO, RateTable
from genco.storage.writer import DatasetWriter

CHUNK_ROWS = 131_072
START_US = 1_577_836_800_000_000  # 2020-01-01 UTC: the logs are drawn, their dates only give an order
DAYS, DAY_US = 28, 86_400_000_000


def write_drawn_dataset(
    out: Path,
    meta: DatasetMeta,
    products: pl.DataFrame,
    elements: pl.DataFrame,
    table: RateTable,
    num_impressions: int,
    seed: int,
    overwrite: bool,
) -> None:
    """Write catalogue, drawn log and truth; rows of `products` and `elements` are the rows that `table` names."""
    slots = [slot.name for slot in meta.slots]
    product_ids, element_ids = products["product_id"].to_list(), elements["element_id"].to_list()
    with DatasetWriter(out, meta, overwrite=overwrite) as writer:
        writer.write_products(products)
        writer.write_elements(elements)
        for chunk in draw_log(table, product_ids, element_ids, slots, num_impressions, seed):
            writer.append_impressions(chunk)
        writer.write_truth(table.to_arrays(), {**TRUTH_INFO, "source": meta.name})


def draw_log(
    table: RateTable,
    products: Sequence[str],
    elements: Sequence[str],
    slots: Sequence[str],
    num_impressions: int,
    seed: int,
) -> Iterator[pl.DataFrame]:
    """Yield `num_impressions` impressions in chunks; products, elements and slots are names by row.

    A product is drawn uniformly, then one of its combinations uniformly: propensity 1 / number of its combinations.
    """
    if num_impressions < 1:
        raise ConfigError(
            f"Parameter `num_impressions` should be at least 1. Found `num_impressions = {num_impressions}`."
        )
    rng = stream(seed, "drawn log")
    first = np.searchsorted(table.keys[:, 0], np.arange(len(products)))
    count = np.diff(np.append(first, len(table.keys)))
    element_names = pl.Series("element", elements, dtype=pl.String)
    product_names = pl.Series("product", products, dtype=pl.String)
    for start in range(0, num_impressions, CHUNK_ROWS):
        size = min(CHUNK_ROWS, num_impressions - start)
        product = rng.integers(len(products), size=size)
        row = first[product] + rng.integers(count[product])
        number = np.arange(start, start + size)
        yield pl.DataFrame(
            {
                "impression_id": pl.Series(number).cast(pl.String).str.zfill(10),
                "timestamp": pl.Series(START_US + number * (DAYS * DAY_US // num_impressions)).cast(pl.Datetime("us")),
                "product_id": product_names.gather(product),
                **{slot: element_names.gather(table.keys[row, 1 + i]) for i, slot in enumerate(slots)},
                "num_clicks": (rng.random(size) < table.rates[row]).astype(np.int64),
                "propensity": 1.0 / count[product],
                "policy": pl.repeat("uniform", size, eager=True),
            }
        )
