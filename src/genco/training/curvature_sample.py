"""Which rows of a log stand for all of it where only curvature is asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.data.encoded_log import EncodedLog
from genco.rng import stream


def curvature_sample(
    log: EncodedLog, logged: NDArray[np.bool_], seed: int, num_rows: int
) -> tuple[NDArray[np.int64], float, bool]:
    """Rows to take the information from, their share of the log, and whether they hold products whole.

    Rows are drawn where some tens of each product come out: what product effects take away is then off by a few
    per cent at most. Else whole products are drawn. logged: [product].
    """
    total = len(log)
    rng = stream(seed, "curvature")
    if total <= num_rows:
        return np.arange(total), 1.0, True
    if num_rows / max(int(logged.sum()), 1) >= 20:
        return np.sort(rng.choice(total, num_rows, replace=False)), num_rows / total, False
    rows = np.flatnonzero(chosen_products(log, seed, num_rows)[log.product])
    if not len(rows):
        rows = np.sort(rng.choice(total, num_rows, replace=False))
    return rows, float(log.trials[rows].sum() / log.trials.sum()), True


def chosen_products(log: EncodedLog, seed: int, num_rows: int) -> NDArray[np.bool_]:
    """Products [product] that together have about `num_rows` rows, all where the log has no more."""
    drawn = stream(seed, "whole products").random(log.num_products)
    return np.asarray(drawn < num_rows / len(log))
