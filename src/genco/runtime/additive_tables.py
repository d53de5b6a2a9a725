"""Additive scores of one request's candidates in factor form: own effects, and pairs as small bilinear products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError

Floats = NDArray[np.float32]
Positions = NDArray[np.int32]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class AdditiveTables:
    """Scores of one request's candidates.

        score(y) = sum_c own[c][y_c] + sum_{c<c'} pair_cc'(y_c, y_c')
        pair_cc'(i, j) = factors[c][i] @ bilinear[c, c'] @ factors[c'][j] + pair_tables[c, c'][i, j]

    own: per slot [candidate] · factors: per slot [candidate, rank_c] · bilinear: (c, c') -> [rank_c, rank_c'] ·
    pair_tables: (c, c') -> [candidate, candidate], what the factors do not hold; c < c' in both; pairs may be absent.
    """

    own: tuple[Floats, ...]
    factors: tuple[Floats, ...]
    bilinear: dict[Pair, Floats]
    pair_tables: Mapping[Pair, Floats] = field(default_factory=dict)

    @property
    def num_slots(self) -> int:
        return len(self.own)

    @property
    def pairs(self) -> list[Pair]:
        """Pairs of slots that have a pair term."""
        return sorted({*self.bilinear, *self.pair_tables})

    @cached_property
    def _ends(self) -> list[int]:
        """Where each slot's factors end when all are laid side by side."""
        return [int(end) for end in np.cumsum([factors.shape[1] for factors in self.factors])]

    @cached_property
    def _asks(self) -> tuple[Floats, ...]:
        """Per slot [all factors, rank_slot]: what the factors of other slots ask of the slot's own."""
        starts = [0, *self._ends]
        asks: list[Floats] = [np.zeros((starts[-1], factors.shape[1]), dtype=np.float32) for factors in self.factors]
        for (c, d), weights in self.bilinear.items():
            asks[d][starts[c] : starts[c + 1]] = weights
            asks[c][starts[d] : starts[d + 1]] = weights.T
        return tuple(asks)

    def slot_scores(self, positions: Positions, chosen: Floats, slot: int) -> Floats:
        """Score [K, candidate] of every candidate of `slot` beside the other slots, up to what does not depend on it.

        chosen: [K, all factors], from `chosen_factors(positions)`.
        """
        values = np.asarray((chosen @ self._asks[slot]) @ self.factors[slot].T, dtype=np.float32)
        values += self.own[slot]
        for (c, d), table in self.pair_tables.items():
            if c == slot:
                values += table.T[positions[:, d]]
            elif d == slot:
                values += table[positions[:, c]]
        return values

    def total(self, positions: Positions, chosen: Floats) -> Floats:
        """`score` [K] of `positions` [K, slot], whose factors are `chosen` [K, all factors]: one product for all pairs,
        each of which is asked from both sides."""
        total = np.asarray(0.5 * np.einsum("ki,ki->k", chosen @ np.concatenate(self._asks, axis=1), chosen))
        for slot, own in enumerate(self.own):
            total += own[positions[:, slot]]
        for (c, d), table in self.pair_tables.items():
            total += table[positions[:, c], positions[:, d]]
        return total

    def chosen_factors(self, positions: Positions) -> Floats:
        """Factors of combinations [K, slot] side by side: [K, all factors]."""
        return np.concatenate([factors[positions[:, slot]] for slot, factors in enumerate(self.factors)], axis=1)

    def choose(self, chosen: Floats, slot: int, choice: Positions) -> None:
        """Put the factors of `choice` [K] into `chosen`, in place."""
        end = self._ends[slot]
        chosen[:, end - self.factors[slot].shape[1] : end] = self.factors[slot][choice]


def score(tables: AdditiveTables, positions: Positions) -> Floats:
    """Score [batch] of combinations `positions` [batch, slot]."""
    chosen = [factors[positions[:, slot]] for slot, factors in enumerate(tables.factors)]
    total = np.zeros(len(positions), dtype=np.float32)
    for slot, own in enumerate(tables.own):
        total += own[positions[:, slot]]
    for (c, d), weights in tables.bilinear.items():
        total += np.einsum("bi,bi->b", chosen[c] @ weights, chosen[d])
    for (c, d), table in tables.pair_tables.items():
        total += table[positions[:, c], positions[:, d]]
    return total


def pair_matrix(tables: AdditiveTables, slot: int, later: int) -> Floats:
    """Pair scores [candidate of slot, candidate of later], slot < later; zeros where there is no pair term."""
    if not slot < later:
        raise ConfigError(f"Parameter `slot` should be before `later`. Found `slot = {slot}`, `later = {later}`.")
    total = np.zeros((len(tables.own[slot]), len(tables.own[later])), dtype=np.float32)
    weights, table = tables.bilinear.get((slot, later)), tables.pair_tables.get((slot, later))
    if weights is not None:
        total += tables.factors[slot] @ weights @ tables.factors[later].T
    if table is not None:
        total += table
    return total


def enumerate_scores(tables: AdditiveTables) -> Floats:
    """Score of every combination, legal or not, one axis per slot."""
    shape = tuple(len(own) for own in tables.own)
    total = np.zeros(shape, dtype=np.float32)
    for slot, own in enumerate(tables.own):
        total += own.reshape([-1 if axis == slot else 1 for axis in range(len(shape))])
    for pair in tables.pairs:
        total += pair_matrix(tables, *pair).reshape([n if axis in pair else 1 for axis, n in enumerate(shape)])
    return total
