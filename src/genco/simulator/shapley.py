"""Exact Shapley values of a true logit, an absent element being averaged over the independent uniform pool of its slot.

Own and pair effects have a closed form; the higher-order part takes the 2^C coalition values. They are exact while the
pools hold at most `MAX_ENUMERATED` combinations, and averages over `NUM_DRAWS` common draws of the pools beyond that
(the values still add up to the logit minus its estimated mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations as subsets_of
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from genco.types import MAX_ENUMERATED, Floats, LogitTables

NUM_DRAWS = 4_096
Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Game:
    """Which elements to value against which pools.

    rows: per slot, the pool's element rows followed by shown elements that are not in it (such as the empty one) ·
    pool_sizes: how many of them are the pool · positions: [batch, slot] where each shown element stands in `rows`.
    """

    rows: tuple[Rows, ...]
    pool_sizes: tuple[int, ...]
    positions: Rows


def game(combinations: Rows, pools: Sequence[Rows]) -> Game:
    """The game of valuing `combinations` (element rows [batch, slot]) against `pools` (element rows of each slot)."""
    rows, positions = [], np.empty(combinations.shape, dtype=np.int32)
    for slot, pool in enumerate(pools):
        shown = np.unique(combinations[:, slot])
        table = np.concatenate([pool, shown[~np.isin(shown, pool)]]).astype(np.int32)
        order = np.argsort(table, kind="stable")
        positions[:, slot] = order[np.searchsorted(table, combinations[:, slot], sorter=order)]
        rows.append(table)
    return Game(tuple(rows), tuple(len(pool) for pool in pools), positions)


def shapley_values(tables: LogitTables, played: Game) -> Floats:
    """Shapley values [batch, slot] (logits); `tables` are the true logit over `played.rows`."""
    values = _additive(tables, played)
    if not tables.hidden:
        return values
    if prod(played.pool_sizes) > MAX_ENUMERATED:
        return values + coalition_shapley(_sampled_worth(tables, played))
    return values + table_shapley(tables.enumerate_residual(), played)


def table_shapley(table: Floats, played: Game) -> Floats:
    """Shapley values [batch, slot] of a game given by its value for every combination of `played.rows`."""
    return coalition_shapley(_table_worth(table, played))


def coalition_shapley(worth: dict[frozenset[int], Floats]) -> Floats:
    """Shapley values [batch, slot] from the worth [batch] of every coalition of slots."""
    num_slots = max(len(coalition) for coalition in worth)
    values = np.zeros((len(worth[frozenset()]), num_slots))
    for coalition, value in worth.items():
        for slot in range(num_slots):
            if slot in coalition:
                values[:, slot] += _weight(len(coalition) - 1, num_slots) * value
            else:
                values[:, slot] -= _weight(len(coalition), num_slots) * value
    return values


def _additive(tables: LogitTables, played: Game) -> Floats:
    """Own effects against their mean; of each pair effect, half to either slot once means are split off."""
    sizes, positions = played.pool_sizes, played.positions
    own = [tables.own[c][positions[:, c]] - tables.own[c][: sizes[c]].mean() for c in range(len(sizes))]
    values = np.stack(own, axis=1)
    mean = [style[:size].mean(axis=0) for style, size in zip(tables.style, sizes, strict=True)]
    shown = [style[positions[:, c]] for c, style in enumerate(tables.style)]
    for (c, d), matrix in tables.bilinear.items():
        left, right = (shown[c] - mean[c]) @ matrix, (shown[d] - mean[d]) @ matrix.T
        values[:, c] += 0.5 * np.einsum("bi,bi->b", left, shown[d] + mean[d])
        values[:, d] += 0.5 * np.einsum("bi,bi->b", right, shown[c] + mean[c])
    return values


def _table_worth(table: Floats, played: Game) -> dict[frozenset[int], Floats]:
    """Worth [batch] of every coalition: `table` at its members' positions, averaged over the pools of the others."""
    num_slots, positions = table.ndim, played.positions
    means = {frozenset(range(num_slots)): table}
    worth: dict[frozenset[int], Floats] = {}
    for coalition in _coalitions(num_slots, largest_first=True):
        if coalition not in means:
            absent = min(set(range(num_slots)) - coalition)
            wider = means[coalition | {absent}]
            pool = (slice(None),) * absent + (slice(played.pool_sizes[absent]),)
            means[coalition] = wider[pool].mean(axis=absent, keepdims=True)
        index = tuple(positions[:, c] if c in coalition else np.zeros_like(positions[:, c]) for c in range(num_slots))
        worth[coalition] = means[coalition][index]
    return worth


def _sampled_worth(tables: LogitTables, played: Game) -> dict[frozenset[int], Floats]:
    """Worth of every coalition over common draws of the pools, for spaces too large to enumerate."""
    rng = np.random.default_rng(0)
    hidden, positions = tables.hidden, played.positions
    drawn = [hidden[c][rng.integers(size, size=NUM_DRAWS)] for c, size in enumerate(played.pool_sizes)]
    shown = [hidden[c][positions[:, c]] for c in range(len(hidden))]
    worth: dict[frozenset[int], Floats] = {}
    for coalition in _coalitions(len(hidden)):
        absent = sum((drawn[c] for c in range(len(hidden)) if c not in coalition), np.zeros_like(drawn[0]))
        present = sum((shown[c] for c in coalition), np.zeros_like(shown[0]))
        worth[coalition] = np.array([np.mean(np.tanh(absent + row) @ tables.readout) for row in present], np.float64)
    return worth


def _coalitions(num_slots: int, largest_first: bool = False) -> list[frozenset[int]]:
    sizes = range(num_slots, -1, -1) if largest_first else range(num_slots + 1)
    return [frozenset(members) for size in sizes for members in subsets_of(range(num_slots), size)]


def _weight(size: int, num_slots: int) -> float:
    return factorial(size) * factorial(num_slots - size - 1) / factorial(num_slots)
