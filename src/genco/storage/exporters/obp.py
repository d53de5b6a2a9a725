"""The bandit-feedback dictionary of Open Bandit Pipeline (obp) as an `.npz` file without pickle.

    feedback = dict(np.load("log.npz"))
    OffPolicyEvaluation(feedback, [InverseProbabilityWeighting()])

obp's keys: `n_rounds`, `n_actions` (whole numbers, as arrays without an axis), `context` [n, feature],
`action_context` [action, feature], `action` [n], `position` [n], `reward` [n], `pscore` [n]. Beside them: `timestamp`
[n] (microseconds), `product` [n] (index into `product_ids`), `product_ids`, `slots`, `combinations` [action, slot]
(element ids, "" = empty), `context_names`, `action_context_names`.

obp chooses one action a round, so an action is a combination: every one the log holds, in a fixed order. Others cannot
be valued from this file. `position` is 0 throughout. Context: product (the 64 most frequent), features of the product
and context columns, encoded as training does. `action_context` says by 1 which element stands in which slot; it is left
out where it would have more than `MAX_ENTRIES` entries (obp then takes the identity).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.data.columns import ColumnEncoder
from genco.errors import DataError
from genco.storage.dataset import Dataset
from genco.storage.exporters.single_rows import SingleRows, single_rows
from genco.storage.exporters.summary import ExportSummary
from genco.storage.new_file import new_file

MAX_ENTRIES = 20_000_000


def export_obp(dataset: Dataset, out: Path, overwrite: bool = False) -> ExportSummary:
    """Write the log as one `.npz` file; it is held in memory. Raises `DataError` where no row has a propensity, and as
    `single_rows` and `new_file` do."""
    parts = list(single_rows(dataset))
    dropped = sum(rows.num_dropped for rows in parts)
    num_rows = sum(map(len, parts))
    if not num_rows:
        raise DataError(
            f"{dataset.path}: at least one impression with a propensity is expected. Found {dropped:,} without."
        )
    feedback = _feedback(dataset, parts)
    with new_file(out, overwrite) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **feedback)
    notes = [f"{feedback['n_actions']:,} combinations are the actions; others cannot be valued from this file"]
    if "action_context" not in feedback:
        notes.append(f"action_context left out: more than {MAX_ENTRIES:,} entries")
    return ExportSummary(out, num_rows, {"no_propensity": dropped}, tuple(notes))


def _feedback(dataset: Dataset, parts: list[SingleRows]) -> dict[str, NDArray[Any]]:
    catalogue = dataset.catalogue
    product = np.concatenate([rows.product for rows in parts])
    shown, action = np.unique(np.concatenate([rows.combination for rows in parts]), axis=0, return_inverse=True)
    table = _context_table(dataset, parts, product)
    encoder = ColumnEncoder.fit(table, "context")
    ids = np.array(["", *catalogue.elements["element_id"]])
    feedback = {
        "n_rounds": np.array(len(product)),
        "n_actions": np.array(len(shown)),
        "context": encoder.transform(table, "context").astype(np.float64),
        "action": action.ravel().astype(np.int64),
        "position": np.zeros(len(product), dtype=np.int64),
        "reward": np.concatenate([rows.click for rows in parts]),
        "pscore": np.concatenate([rows.propensity for rows in parts]),
        "timestamp": np.concatenate([rows.timestamp for rows in parts]),
        "product": product,
        "product_ids": np.array(catalogue.products["product_id"].to_list()),
        "slots": np.array([slot.name for slot in dataset.meta.slots]),
        "combinations": ids[shown + 1],
        "context_names": np.array(encoder.names),
    }
    return feedback | _action_context(dataset, shown, ids)


def _context_table(dataset: Dataset, parts: list[SingleRows], product: NDArray[np.int32]) -> pl.DataFrame:
    """Product, its features and the context columns of every round; product features win a clash of names."""
    products = dataset.catalogue.products[product]
    context = {
        name: pl.Series([value for rows in parts for value in rows.context[name].tolist()], strict=False)
        for name in dataset.meta.context
        if name not in products.columns
    }
    return products.with_columns(**context)


def _action_context(dataset: Dataset, shown: NDArray[np.int32], ids: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Which element stands in which slot, one feature for each pair that occurs."""
    blocks, names = [], []
    for i, slot in enumerate(dataset.meta.slots):
        elements = np.unique(shown[:, i])
        elements = elements[elements != EMPTY]
        blocks.append((shown[:, i], elements))
        names += [f"{slot.name}={ids[row + 1]}" for row in elements]
    if len(shown) * len(names) > MAX_ENTRIES:
        return {}
    columns = [(have[:, None] == elements).astype(np.float32) for have, elements in blocks]
    return {"action_context": np.concatenate(columns, axis=1), "action_context_names": np.array(names)}
