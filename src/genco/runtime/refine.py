"""Scoring and coordinate ascent on additive scores in factor form: cost linear in candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.runtime.legal_space import LegalSpace

Floats = NDArray[np.float32]
Positions = NDArray[np.int32]


@dataclass(frozen=True)
class AdditiveTables:
    """Scores of one request's candidates.

    own: per slot [candidate] · factors: per slot [candidate, pair_rank] · bilinear: (c, c') with c < c' -> [rank_c, rank_c'];
    the pair score of candidates i, j is factors[c][i] @ bilinear[c, c'] @ factors[c'][j].
    """

    own: tuple[Floats, ...]
    factors: tuple[Floats, ...]
    bilinear: dict[tuple[int, int], Floats]

    @property
    def num_slots(self) -> int:
        return len(self.own)


def score(tables: AdditiveTables, positions: Positions) -> Floats:
    """Score [batch] of combinations `positions` [batch, slot]."""
    chosen = [factors[positions[:, slot]] for slot, factors in enumerate(tables.factors)]
    total = np.zeros(len(positions), dtype=np.float32)
    for slot, own in enumerate(tables.own):
        total += own[positions[:, slot]]
    for (i, j), matrix in tables.bilinear.items():
        total += np.einsum("bi,bi->b", chosen[i] @ matrix, chosen[j])
    return total


def enumerate_scores(tables: AdditiveTables) -> Floats:
    """Score of every combination, one axis per slot."""
    shape = tuple(len(own) for own in tables.own)
    total = np.zeros(shape, dtype=np.float32)
    for slot, own in enumerate(tables.own):
        total += own.reshape([-1 if axis == slot else 1 for axis in range(len(shape))])
    for (i, j), matrix in tables.bilinear.items():
        table = tables.factors[i] @ matrix @ tables.factors[j].T
        total += table.reshape([shape[axis] if axis in (i, j) else 1 for axis in range(len(shape))])
    return total


def coordinate_ascent(
    tables: AdditiveTables, space: LegalSpace, positions: Positions, max_sweeps: int = 50
) -> tuple[Positions, Floats]:
    """Climb from `positions` [K, slot] until no single legal change improves; all K at once."""
    positions = positions.copy()
    num_slots = tables.num_slots
    chosen = [tables.factors[c][positions[:, c]] for c in range(num_slots)]
    rows = np.arange(len(positions))
    for _ in range(max_sweeps):
        moved = False
        for slot in range(num_slots):
            values = _slot_scores(tables, chosen, slot)
            if space.is_constrained:
                values = np.where(space.neighbours(positions, slot), values, -np.inf)
            now = positions[:, slot]
            best = values.argmax(axis=1).astype(np.int32)
            better = values[rows, best] > values[rows, now] + 1e-6
            if better.any():
                moved = True
                positions[:, slot] = np.where(better, best, now)
                chosen[slot] = tables.factors[slot][positions[:, slot]]
        if not moved:
            break
    return positions, score(tables, positions)


def _slot_scores(tables: AdditiveTables, chosen: list[Floats], slot: int) -> Floats:
    pull: Floats | None = None
    for other in range(tables.num_slots):
        if other == slot:
            continue
        matrix = tables.bilinear.get((min(slot, other), max(slot, other)))
        if matrix is None:
            continue
        asked = chosen[other] @ (matrix.T if slot < other else matrix)
        pull = asked if pull is None else pull + asked
    if pull is None:
        return np.repeat(tables.own[slot][None], len(chosen[0]), axis=0)
    return pull @ tables.factors[slot].T + tables.own[slot]


def beam(tables: AdditiveTables, space: LegalSpace, width: int) -> Positions:
    """Up to `width` legal combinations of largest partial scores, best first [num, slot]."""
    positions, total = np.zeros((1, 0), dtype=np.int32), np.zeros(1, dtype=np.float32)
    chosen: list[Floats] = []
    for slot in range(tables.num_slots):
        values = np.repeat(tables.own[slot][None], len(positions), axis=0)
        for other in range(slot):
            matrix = tables.bilinear.get((other, slot))
            if matrix is not None:
                values = values + chosen[other] @ matrix @ tables.factors[slot].T
        values = np.where(space.mask(positions), total[:, None] + values, -np.inf).ravel()
        num = min(width, int(np.isfinite(values).sum()))
        best = np.argpartition(-values, num - 1)[:num] if num < len(values) else np.arange(len(values))
        best = best[np.argsort(-values[best], kind="stable")][:num]
        rows, choice = np.divmod(best, len(tables.own[slot]))
        total = values[best].astype(np.float32)
        positions = np.concatenate([positions[rows], choice[:, None].astype(np.int32)], axis=1)
        chosen = [tables.factors[c][positions[:, c]] for c in range(slot + 1)]
    return positions
