"""Joined decisions as arrays of the catalogue's rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.errors import GencoError
from genco.policies.optimizer import Optimizer
from genco.serving.joiner import Joined


@dataclass(frozen=True)
class EncodedRows:
    """Joined decisions as rows of the catalogue: product [row], combination [row, slot], context [row, num_context],
    reward [row], place [row] among the decisions."""

    product: NDArray[np.int32]
    combination: NDArray[np.int32]
    context: NDArray[np.float32]
    reward: NDArray[np.float32]
    place: NDArray[np.int64]

    def at(self, rows: NDArray[np.int64]) -> EncodedRows:
        """Some of the rows."""
        return EncodedRows(**{name: values[rows] for name, values in vars(self).items()})


def encode_rows(optimizer: Optimizer, rows: Sequence[Joined]) -> EncodedRows:
    """Joined decisions as arrays. What the catalogue does not know is left out."""
    products, elements = optimizer.catalogue.product_rows, optimizer.catalogue.element_rows
    contexts: dict[str, NDArray[np.float32]] = {}
    kept: list[tuple[int, list[int], NDArray[np.float32], float, int]] = []
    for place, row in enumerate(rows):
        product = products.get(row.product_id)
        combination = [EMPTY if name is None else elements.get(name, -2) for name in row.combination]
        key = json.dumps(row.context, sort_keys=True)
        if product is None or -2 in combination or len(combination) != optimizer.catalogue.num_slots:
            continue
        if key not in contexts:
            try:
                known = {name: value for name, value in row.context.items() if value is not None}
                contexts[key] = optimizer.context(known)
            except GencoError:
                continue
        kept.append((product, combination, contexts[key], row.reward, place))
    size = len(kept)
    return EncodedRows(
        np.array([row[0] for row in kept], dtype=np.int32),
        np.array([row[1] for row in kept], dtype=np.int32).reshape(size, optimizer.catalogue.num_slots),
        np.array([row[2] for row in kept], dtype=np.float32).reshape(size, optimizer.encoders.context.dim),
        np.array([row[3] for row in kept], dtype=np.float32),
        np.array([row[4] for row in kept], dtype=np.int64),
    )
