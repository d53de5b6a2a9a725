"""Open Bandit CSV: the layout of the Open Bandit Dataset, which obp and `genco import obd` read.

`OUT/<policy>/<campaign>/` gets `<campaign>.csv` (timestamp, item_id, position, click, propensity_score, user_feature_*)
and `item_context.csv` (item_id, item_feature_*). An item is a combination; its features after `item_feature_0` (0, as
there has to be a number) are the elements of the slots in order. With one slot items are numbered as the catalogue's
elements, else in the order they first come. `user_feature_*` are the product, where there are several, and the context
columns in order, as text, at least four, "none" where there is nothing; a context column `position` becomes the
position, which is 1 otherwise. The campaign is the product, or the dataset's name where there are several; the policy
is that of the log, or `mixed`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.errors import DataError
from genco.storage.dataset import Dataset
from genco.storage.exporters.single_rows import SingleRows, single_rows
from genco.storage.exporters.summary import ExportSummary
from genco.storage.new_file import new_file

ITEM_FILE = "item_context.csv"
NONE, POSITION, MIXED = "none", "position", "mixed"
LEAST_FEATURES = 4
NOTE = "an item is a combination of elements; item_feature_1 and following name them"


def export_obd(dataset: Dataset, out: Path, overwrite: bool = False) -> ExportSummary:
    """Write the log below the folder `out`. Raises `DataError` as `single_rows` and `new_file` do, where no row has a
    propensity, and where a context column `position` holds other than whole numbers."""
    campaign, policy = _campaign(dataset), _policy(dataset)
    folder = out / policy / campaign
    items = _Items(dataset)
    num_rows = dropped = 0
    with new_file(folder / ITEM_FILE, overwrite) as context, new_file(folder / f"{campaign}.csv", overwrite) as log:
        with log.open("wb") as file:
            for rows in single_rows(dataset):
                _write(dataset, rows, items.numbers(rows.combination), num_rows, file)
                num_rows, dropped = num_rows + len(rows), dropped + rows.num_dropped
        if not num_rows:
            raise DataError(
                f"{dataset.path}: at least one impression with a propensity is expected. Found {dropped:,} without."
            )
        items.table().write_csv(context)
    notes = (NOTE, f"policy {policy!r}, campaign {campaign!r}")
    return ExportSummary(folder, num_rows, {"no_propensity": dropped}, notes)


class _Items:
    """Combinations by number."""

    def __init__(self, dataset: Dataset) -> None:
        self._num_slots = len(dataset.meta.slots)
        self._ids = np.array([*dataset.catalogue.elements["element_id"], NONE], dtype=object)  # EMPTY = -1 is the last
        self._known: dict[bytes, int] = {}

    def numbers(self, combination: NDArray[np.int32]) -> NDArray[np.int64]:
        """Item of each combination [n, slot]; new ones are numbered on."""
        if combination.shape[1] == 1:
            return np.where(combination == EMPTY, len(self._ids) - 1, combination)[:, 0].astype(np.int64)
        return np.array(
            [self._known.setdefault(row.tobytes(), len(self._known)) for row in combination], dtype=np.int64
        )

    def table(self) -> pl.DataFrame:
        """`item_context.csv`."""
        rows = np.frombuffer(b"".join(self._known), dtype=np.int32).reshape(-1, self._num_slots)
        if self._num_slots == 1:
            rows = np.arange(len(self._ids), dtype=np.int32)[:, None]
        ids = [self._ids[rows[:, slot]] for slot in range(self._num_slots)]
        features = {f"item_feature_{1 + slot}": pl.Series(names, dtype=pl.String) for slot, names in enumerate(ids)}
        return pl.DataFrame(
            {
                "": np.arange(len(rows)),
                "item_id": np.arange(len(rows)),
                "item_feature_0": np.zeros(len(rows)),
                **features,
            }
        )


def _write(dataset: Dataset, rows: SingleRows, items: NDArray[np.int64], first: int, file: IO[bytes]) -> None:
    table = {
        "": np.arange(first, first + len(rows)),
        "timestamp": pl.Series(rows.timestamp).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00:00"),
        "item_id": items,
        "position": _position(rows),
        "click": rows.click,
        "propensity_score": rows.propensity,
        **_user_features(dataset, rows),
    }
    pl.DataFrame(table).write_csv(file, include_header=first == 0)


def _user_features(dataset: Dataset, rows: SingleRows) -> dict[str, pl.Series]:
    columns = [] if dataset.catalogue.num_products == 1 else [dataset.catalogue.products["product_id"][rows.product]]
    columns += [_texts(values) for name, values in rows.context.items() if name != POSITION]
    columns += [pl.repeat(NONE, len(rows), eager=True)] * (LEAST_FEATURES - len(columns))
    return {f"user_feature_{i}": column for i, column in enumerate(columns)}


def _texts(values: NDArray[np.generic]) -> pl.Series:
    column = pl.Series(values.tolist(), strict=False).cast(pl.String).fill_null(NONE)
    return column.set(column == "", NONE)


def _position(rows: SingleRows) -> pl.Series:
    if POSITION not in rows.context:
        return pl.repeat(1, len(rows), eager=True)
    given = pl.Series(rows.context[POSITION].tolist(), strict=False)
    whole = given.cast(pl.Int64, strict=False)
    if whole.null_count() or (whole.cast(pl.Float64) != given.cast(pl.Float64, strict=False)).any():
        raise DataError("Context column `position` should hold whole numbers for Open Bandit CSV. Found others.")
    return whole


def _campaign(dataset: Dataset) -> str:
    products = dataset.catalogue.products["product_id"]
    return _file_name(products[0] if len(products) == 1 else dataset.meta.name)


def _policy(dataset: Dataset) -> str:
    """The one policy of the log, else `mixed`."""
    found: set[str | None] = set()
    for file in dataset.files:
        if "policy" not in file.schema.names:
            return MIXED
        found |= set(pl.scan_parquet(file.path).select(pl.col("policy").unique()).collect()["policy"])
    only = found.pop() if len(found) == 1 else None
    return _file_name(only or MIXED)


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip(".") or MIXED
