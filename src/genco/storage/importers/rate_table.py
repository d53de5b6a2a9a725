"""Published tables of click-through rates: numbered elements, one rate per (product, combination)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

TRUTH_INFO: dict[str, Any] = {"kind": "table", "context_name": "", "context_values": [""]}


@dataclass(frozen=True)
class RateTable:
    """True click-through rates. Rows of one product are adjacent, and are its legal combinations.

    keys: int32 [row, 1 + slot], product row (ascending) and element rows · rates: float64 [row], in [0, 1].
    """

    keys: NDArray[np.int32]
    rates: NDArray[np.float64]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of a truth of kind `table`."""
        return {"keys": self.keys, "rates": self.rates}


def numbered_elements(rows: pl.DataFrame, slots: Sequence[str]) -> pl.DataFrame:
    """Elements `slot-number` for every number that occurs in the slot's column: shared by all products, no content."""
    ids = [(slot, f"{slot}-{number}") for slot in slots for number in rows[slot].unique().sort()]
    none = pl.lit(None, dtype=pl.String)
    frame = pl.DataFrame(ids, schema={"component": pl.String, "element_id": pl.String}, orient="row")
    return frame.with_columns(product_id=none, text=none, image_uri=none, status=pl.lit("approved"))


def rate_table(rows: pl.DataFrame, product: str, slots: Sequence[str], rate: str) -> RateTable:
    """Table of `rows`, sorted by the column `product`; element rows are those of `numbered_elements`."""
    products = rows[product].unique().sort()
    columns = [rows[product].replace_strict(products, pl.int_range(len(products), eager=True))]
    first = 0
    for slot in slots:
        numbers = rows[slot].unique().sort()
        element_rows = pl.int_range(first, first + len(numbers), eager=True)
        columns.append(rows[slot].replace_strict(numbers, element_rows))
        first += len(numbers)
    keys = np.stack([column.to_numpy() for column in columns], axis=1).astype(np.int32)
    return RateTable(keys, rows[rate].to_numpy().astype(np.float64))
