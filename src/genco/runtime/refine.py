"""Search on additive scores: coordinate ascent of many combinations at once, and beam search. Linear in candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError
from genco.runtime.additive_tables import AdditiveTables, enumerate_scores, pair_matrix, score
from genco.runtime.legal_space import LegalSpace
from genco.runtime.purification import attribution, purify

__all__ = [
    "AdditiveTables",
    "attribution",
    "beam",
    "coordinate_ascent",
    "enumerate_scores",
    "pair_matrix",
    "purify",
    "score",
]

Floats = NDArray[np.float32]
Positions = NDArray[np.int32]
TOLERANCE = 1e-6


def coordinate_ascent(
    tables: AdditiveTables, space: LegalSpace, positions: Positions, max_sweeps: int = 50
) -> tuple[Positions, Floats]:
    """Climb from legal `positions` [K, slot] until no single legal change improves; all K at once.

    Nor does any legal exchange between two slots that no element may fill together (`LegalSpace.exchanges`), which
    single changes cannot make. Returns the fixed points [K, slot] and their scores [K]. Changes that gain next to
    nothing (1e-6 of the scores' size) are left alone, so that rounding never makes it run in circles.
    """
    positions = positions.astype(np.int32)
    chosen, rows = tables.chosen_factors(positions), np.arange(len(positions))
    least = None
    unmoved = 0
    for step in range(max_sweeps * tables.num_slots):
        slot = step % tables.num_slots
        values = tables.slot_scores(positions, chosen, slot)
        if least is None:
            least = TOLERANCE * max(1.0, float(np.abs(values).max(initial=0.0)))
        if space.is_constrained:
            values = np.where(space.neighbours(positions, slot), values, -np.inf)
        now, best = positions[:, slot], values.argmax(axis=1)
        unmoved += 1
        if (best != now).any():
            better = values[rows, best] > values[rows, now] + least
            if better.any():
                unmoved = 1
                positions[:, slot] = np.where(better, best, now)
                tables.choose(chosen, slot, positions[:, slot])
        if unmoved == tables.num_slots:
            if not space.exchanges or not _exchange(tables, space, positions, least):
                break
            chosen, unmoved = tables.chosen_factors(positions), 0
    return positions, tables.total(positions, chosen)


def _exchange(tables: AdditiveTables, space: LegalSpace, positions: Positions, least: float) -> bool:
    """Let two slots exchange their elements in every row of `positions` [K, slot] where that gains more than `least`,
    the best two of each row, in place. Returns whether any did."""
    tried = np.repeat(positions[None], 1 + len(space.exchanges), axis=0)
    for changed, ((c, d), (there, back)) in zip(tried[1:], space.exchanges.items(), strict=True):
        changed[:, c], changed[:, d] = back[positions[:, d]], there[positions[:, c]]
    flat = tried.reshape(-1, positions.shape[1])
    legal = np.flatnonzero(space.is_legal(flat))
    values = np.full(tried.shape[:2], -np.inf, dtype=np.float32)
    values.ravel()[legal] = score(tables, flat[legal])
    best = values.argmax(axis=0)
    better = np.flatnonzero(values.max(axis=0) > values[0] + least)
    positions[better] = tried[best[better], better]
    return len(better) > 0


def beam(tables: AdditiveTables, space: LegalSpace, width: int) -> Positions:
    """Up to `width` legal combinations by beam search on partial scores, best first [num, slot].

    Exact when `width` is at least the number of legal combinations. Equal scores come in order of positions.
    """
    if width < 1:
        raise ConfigError(f"Parameter `width` should be positive. Found `width = {width}`.")
    positions, total = np.zeros((1, 0), dtype=np.int32), np.zeros(1, dtype=np.float32)
    for slot, own in enumerate(tables.own):
        values = total[:, None] + own
        pull = _pull_of_earlier(tables, positions, slot)
        if pull is not None:
            values += pull @ tables.factors[slot].T
        for (c, d), table in tables.pair_tables.items():
            if d == slot:
                values += table[positions[:, c]]
        if space.is_constrained:
            values[~space.mask(positions)] = -np.inf
        best = _largest(values.ravel(), width)
        row, choice = np.divmod(best, len(own))
        total = values.ravel()[best]
        positions = np.column_stack([positions[row], choice]).astype(np.int32)
    return positions


def _pull_of_earlier(tables: AdditiveTables, positions: Positions, slot: int) -> Floats | None:
    """What the slots chosen so far ask of the factors of `slot` [K, rank], None where nothing."""
    pull: Floats | None = None
    for earlier in range(slot):
        weights = tables.bilinear.get((earlier, slot))
        if weights is not None:
            asked = (tables.factors[earlier] @ weights)[positions[:, earlier]]
            pull = asked if pull is None else pull + asked
    return pull


def _largest(values: Floats, num: int) -> NDArray[np.intp]:
    """Indices of the `num` largest finite values, largest first, the first of equals first."""
    least = np.partition(values, len(values) - num)[len(values) - num] if len(values) > num else -np.inf
    found = np.flatnonzero(values >= least if least > -np.inf else values > -np.inf)
    return np.asarray(found[np.argsort(-values[found], kind="stable")][:num])
