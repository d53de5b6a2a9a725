"""The best combination of a space too large to enumerate, as coordinate ascent finds it on the true logit.

Every start climbs slot by slot to a point that no single change improves: first on own and pair effects, where a step
for all starts is one product of matrices, then, from the distinct points reached, on the whole logit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.types import Floats, LogitTables

MAX_SWEEPS = 100
_CHUNK_FLOATS = 1 << 18
Positions = NDArray[np.int32]


def best_by_ascent(tables: LogitTables, starts: int = 1_000, seed: int = 0) -> tuple[Positions, float]:
    """Positions [slot] of the best combination found from `starts` uniform random ones, and its logit."""
    rng = np.random.default_rng(seed)
    first = np.stack([rng.integers(size, size=starts) for size in tables.shape], axis=1).astype(np.int32)
    reached = climb(tables, first, whole=False)
    if tables.hidden:
        reached = climb(tables, reached, whole=True)
    logits = tables.score(reached)
    best = int(logits.argmax())
    return reached[best], float(logits[best])


def climb(tables: LogitTables, positions: Positions, whole: bool = True) -> Positions:
    """The distinct points [point, slot] where ascent from `positions` [start, slot] ends.

    whole: climb on the whole logit, else on own and pair effects alone.
    """
    positions = np.unique(positions, axis=0)
    for _ in range(MAX_SWEEPS):
        before = positions.copy()
        for slot in range(positions.shape[1]):
            positions[:, slot] = _best_of_slot(tables, positions, slot, whole)
        moved = (positions != before).any()
        positions = np.unique(positions, axis=0)
        if not moved:
            return positions
    return positions


def _best_of_slot(tables: LogitTables, positions: Positions, slot: int, whole: bool) -> Positions:
    """Best candidate [start] of the slot with all others kept; the present one wins ties."""
    scores = _additive_scores(tables, positions, slot)
    if whole and tables.hidden:
        scores += _residual_scores(tables, positions, slot)
    present = positions[:, slot]
    best = scores.argmax(axis=1)
    start = np.arange(len(positions))
    better = scores[start, best] > scores[start, present] + 1e-12
    return np.where(better, best, present).astype(np.int32)


def _additive_scores(tables: LogitTables, positions: Positions, slot: int) -> Floats:
    """Own and pair effects [start, candidate] of the slot's candidates, up to a constant by start."""
    direction = np.zeros((len(positions), tables.style[slot].shape[1]))
    for (c, d), matrix in tables.bilinear.items():
        if c == slot:
            direction += (tables.style[d] @ matrix.T)[positions[:, d]]
        elif d == slot:
            direction += (tables.style[c] @ matrix)[positions[:, c]]
    return np.asarray(direction @ tables.style[slot].T + tables.own[slot])


def _residual_scores(tables: LogitTables, positions: Positions, slot: int) -> Floats:
    """Higher-order part [start, candidate] of the slot's candidates."""
    candidates = tables.hidden[slot]
    others = np.zeros((len(positions), candidates.shape[1]), dtype=np.float32)
    for c, hidden in enumerate(tables.hidden):
        if c != slot:
            others += hidden[positions[:, c]]
    out = np.empty((len(positions), len(candidates)))
    step = max(1, _CHUNK_FLOATS // candidates.size)
    for start in range(0, len(positions), step):
        sums = others[start : start + step, None, :] + candidates[None, :, :]
        out[start : start + step] = np.tanh(sums, out=sums) @ tables.readout
    return out
