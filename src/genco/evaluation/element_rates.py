"""Click rates of elements, smoothed towards their product's own rate: what a table of counts knows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue

Floats = NDArray[np.float64]
STRENGTH = 50.0


def smoothed_rate(
    catalogue: Catalogue, trials: Floats, reward: Floats, product: int, elements: NDArray[np.int32]
) -> Floats:
    """Rate [row] of `elements` (rows, -1 = empty), `STRENGTH` impressions at the product's own rate added.

    trials, reward: [element + 1] counts, the empty element last.
    """
    pool = np.concatenate([catalogue.pool(product, slot) for slot in range(catalogue.num_slots)])
    mean = (reward[pool].sum() + 1e-3) / (trials[pool].sum() + 1e-1)
    return np.asarray((reward[elements] + STRENGTH * mean) / (trials[elements] + STRENGTH))
