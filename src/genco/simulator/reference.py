"""What random play and the oracle are worth for a request, and the scale on which policies are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError, RuleError
from genco.simulator.ascent import best_by_ascent
from genco.simulator.world import World, sigmoid
from genco.types import MAX_ENUMERATED, Floats, LogitTables

NUM_UNIFORM_DRAWS = 20_000
SMALL_SPACE = 200_000
_BLOCK = 65_536
Rows = NDArray[np.int32]
Legal = Callable[[Rows], NDArray[np.bool_]]


@dataclass(frozen=True)
class Reference:
    """Click probabilities of one request under random play and under the oracle.

    uniform: mean over legal combinations, all alike; over `NUM_UNIFORM_DRAWS` draws above `SMALL_SPACE` combinations ·
    oracle: the best legal combination, exact up to `MAX_ENUMERATED` combinations (before rules), beyond that the best
    that coordinate ascent finds, `exact` False · best: its element rows [slot].
    """

    uniform: float
    oracle: float
    best: Rows
    exact: bool


def reference(
    world: World, product: int, context: int, candidates: Sequence[Rows], legal: Legal | None = None
) -> Reference:
    """Random play and oracle of one request.

    candidates: element rows of each slot, -1 = empty · legal: which combinations (element rows [batch, slot]) keep the
    rules, None = all. Raises `RuleError` where none does, and where rules meet a space too large to enumerate.
    """
    tables = world.slot_tables(product, context, candidates)
    size = prod(tables.shape)
    if size <= SMALL_SPACE:
        logits = tables.enumerate_logits().ravel()
        if legal is not None:
            logits = np.where(legal(_rows(candidates, tables, np.arange(size))), logits, -np.inf)
            _require_some(bool(np.isfinite(logits).any()), product)
        best = int(logits.argmax())
        uniform = float(sigmoid(logits[np.isfinite(logits)]).mean())
        return Reference(uniform, float(sigmoid(logits[best])), _rows(candidates, tables, np.array([best]))[0], True)
    uniform = _drawn_mean(tables, candidates, legal, product)
    if size <= MAX_ENUMERATED:
        by_position = None if legal is None else lambda positions: legal(_shown(candidates, positions))
        found, logit = pruned_best(tables, by_position)
        _require_some(found is not None, product)
        assert found is not None
        return Reference(uniform, float(sigmoid(np.array(logit))), _shown(candidates, found[None])[0], True)
    if legal is not None:
        raise RuleError(
            f"The oracle needs a space without rules above {MAX_ENUMERATED:,} combinations. Found {size:,}."
        )
    positions, logit = best_by_ascent(tables)
    chosen = np.array([rows[i] for rows, i in zip(candidates, positions, strict=True)], dtype=np.int32)
    return Reference(uniform, float(sigmoid(np.array(logit))), chosen, False)


def normalised_value(value: Floats, uniform: Floats, oracle: Floats) -> tuple[float, float]:
    """(V - V_uniform) / (V_oracle - V_uniform), a ratio of means over requests, and its standard error.

    All arrays [request] are click probabilities. Raises `DataError` where the oracle gains nothing on random play.
    """
    gain, room = value - uniform, oracle - uniform
    if not room.mean() > 0:
        raise DataError(f"The oracle must gain on random play to normalise by it. Found a mean gain of {room.mean()}.")
    ratio = float(gain.mean() / room.mean())
    error = np.std(gain - ratio * room, ddof=1) / np.sqrt(len(gain)) / room.mean() if len(gain) > 1 else np.nan
    return ratio, float(error)


def _drawn_mean(tables: LogitTables, candidates: Sequence[Rows], legal: Legal | None, product: int) -> float:
    rng = np.random.default_rng(0)
    drawn = [rng.integers(n, size=NUM_UNIFORM_DRAWS) for n in tables.shape]
    positions = np.stack(drawn, axis=1).astype(np.int32)
    if legal is not None:
        positions = positions[legal(_shown(candidates, positions))]
        _require_some(len(positions) > 0, product)
    return float(sigmoid(tables.score(positions)).mean())


def pruned_best(tables: LogitTables, legal: Legal | None = None) -> tuple[Rows | None, float]:
    """Positions [slot] and logit of the best combination, exactly; None where `legal` accepts none.

    legal: which positions [batch, slot] may be chosen, all by default.

    Combinations are visited in blocks of falling own and pair effects; the higher-order part is at most the sum of
    |readout|, so the search ends when no later combination can win. Raises `ConfigError` above `MAX_ENUMERATED`.
    """
    additive = tables.enumerate_additive().ravel()
    bound = float(np.abs(tables.readout).sum()) if tables.hidden else 0.0
    best: Rows | None = None
    best_logit = -np.inf
    left = np.arange(len(additive))
    while len(left):
        size = min(_BLOCK, len(left))
        left = left[np.argpartition(-additive[left], size - 1)]
        block, left = left[:size], left[size:]
        positions = np.stack(np.unravel_index(block, tables.shape), axis=1).astype(np.int32)
        if legal is not None:
            positions = positions[legal(positions)]
        if len(positions):
            logits = tables.score(positions)
            top = int(logits.argmax())
            if logits[top] > best_logit:
                best, best_logit = positions[top], float(logits[top])
        left = left[additive[left] + bound > best_logit]
    return best, best_logit


def _rows(candidates: Sequence[Rows], tables: LogitTables, flat: NDArray[np.int64]) -> Rows:
    """Element rows [batch, slot] of combinations given by their flat index."""
    return _shown(candidates, np.stack(np.unravel_index(flat, tables.shape), axis=1))


def _shown(candidates: Sequence[Rows], positions: NDArray[np.integer]) -> Rows:
    """Element rows [batch, slot] of positions [batch, slot]."""
    return np.stack([rows[positions[:, c]] for c, rows in enumerate(candidates)], axis=1)


def _require_some(found: bool, product: int) -> None:
    if not found:
        raise RuleError(f"Product row {product} must have a legal combination. Found none.")
