"""Functional-ANOVA purification of additive scores, and the attribution that is exact after it.

The pools are the candidates of the tables, all weighted alike. After purification own effects and pair terms average to
zero over the pool of either side, so no own effect hides in a pair and the split into own and interaction is unique.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.runtime.additive_tables import AdditiveTables

Floats = NDArray[np.float32]


def purify(tables: AdditiveTables) -> tuple[AdditiveTables, float]:
    """The same scores with centred own effects and pair terms, and the constant to add to them: the average score.

    Factors stay factors: (z + m) B (z' + m') = z B z' + z B m' + m B z' + m B m', with m the mean factor of a pool.
    """
    own = [np.asarray(values, dtype=np.float64) for values in tables.own]
    mean = [np.asarray(factors, dtype=np.float64).mean(axis=0) for factors in tables.factors]
    centred = [factors - m for factors, m in zip(tables.factors, mean, strict=True)]
    constant = 0.0
    for (c, d), weights in tables.bilinear.items():
        own[c] = own[c] + centred[c] @ (weights @ mean[d])
        own[d] = own[d] + centred[d] @ (mean[c] @ weights)
        constant += float(mean[c] @ weights @ mean[d])
    pair_tables = {}
    for (c, d), raw in tables.pair_tables.items():
        table = np.asarray(raw, dtype=np.float64)
        row, column, average = table.mean(axis=1), table.mean(axis=0), float(table.mean())
        own[c], own[d] = own[c] + (row - average), own[d] + (column - average)
        constant += average
        pair_tables[c, d] = (table - row[:, None] - column + average).astype(np.float32)
    constant += sum(float(values.mean()) for values in own)
    return (
        AdditiveTables(
            own=tuple((values - values.mean()).astype(np.float32) for values in own),
            factors=tuple(factors.astype(np.float32) for factors in centred),
            bilinear=tables.bilinear,
            pair_tables=pair_tables,
        ),
        constant,
    )


def attribution(tables: AdditiveTables, positions: NDArray[np.int32]) -> tuple[Floats, Floats]:
    """Own part and interaction part [batch, slot] of every slot of combinations `positions` [batch, slot].

    Their sum is the slot's Shapley value where an absent element is averaged over its pool; over the slots it adds up
    to the score less the average score. The tables may be raw: they are purified first.
    """
    pure, _ = purify(tables)
    own = np.stack([values[positions[:, slot]] for slot, values in enumerate(pure.own)], axis=1)
    interaction = np.zeros(positions.shape, dtype=np.float32)
    chosen = [factors[positions[:, slot]] for slot, factors in enumerate(pure.factors)]
    for c, d in pure.pairs:
        half = np.zeros(len(positions), dtype=np.float32)
        if (c, d) in pure.bilinear:
            half += np.einsum("bi,bi->b", chosen[c] @ pure.bilinear[c, d], chosen[d]) / 2
        if (c, d) in pure.pair_tables:
            half += pure.pair_tables[c, d][positions[:, c], positions[:, d]] / 2
        interaction[:, c] += half
        interaction[:, d] += half
    return own, interaction
