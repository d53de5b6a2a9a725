"""Frozen records shared by rooms that do not import each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError

Floats = NDArray[np.float64]
MAX_ENUMERATED = 5_000_000
_CHUNK_FLOATS = 1 << 18


@dataclass(frozen=True)
class LogitTables:
    """The true logit of every combination of one request, in parts; combinations are positions into candidates.

        logit = constant + sum_c own_c + sum_{c<c'} style_c' bilinear_cc' style_c' + tanh(sum_c hidden_c) . readout

    own: per slot [candidate] · style: per slot [candidate, dim] · bilinear: (c, c') with c < c' -> [dim, dim] ·
    hidden: per slot [candidate, unit], none where nothing is of higher order · readout: [unit].
    """

    constant: float
    own: tuple[Floats, ...]
    style: tuple[Floats, ...]
    bilinear: dict[tuple[int, int], Floats]
    hidden: tuple[NDArray[np.float32], ...] = ()
    readout: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of candidates of each slot."""
        return tuple(len(own) for own in self.own)

    @cached_property
    def pair(self) -> dict[tuple[int, int], Floats]:
        """Pair effects as tables: (c, c') with c < c' -> [candidate of c, candidate of c']."""
        return {(c, d): self.style[c] @ matrix @ self.style[d].T for (c, d), matrix in self.bilinear.items()}

    @property
    def residual(self) -> Callable[[NDArray[np.int32]], Floats] | None:
        """The higher-order part as a function of positions [batch, slot] -> [batch], or None where there is none."""
        return self._residual if self.hidden else None

    def _residual(self, positions: NDArray[np.int32]) -> Floats:
        sums = self.hidden[0][positions[:, 0]]
        for slot in range(1, len(self.hidden)):
            sums += self.hidden[slot][positions[:, slot]]
        return np.asarray(np.tanh(sums, out=sums) @ self.readout, dtype=np.float64)

    def score(self, positions: NDArray[np.int32]) -> Floats:
        """Logit [batch] of combinations given as positions [batch, slot]."""
        total = np.full(len(positions), self.constant)
        for slot, own in enumerate(self.own):
            total += own[positions[:, slot]]
        for (c, d), matrix in self.bilinear.items():
            total += np.einsum("bi,bi->b", (self.style[c] @ matrix)[positions[:, c]], self.style[d][positions[:, d]])
        return total + self._residual(positions) if self.hidden else total

    def enumerate_logits(self) -> Floats:
        """Logit of every combination, one axis per slot. Raises `ConfigError` above `MAX_ENUMERATED` combinations."""
        total = self.enumerate_additive()
        return total + self.enumerate_residual() if self.hidden else total

    def enumerate_additive(self) -> Floats:
        """Constant, own and pair effects of every combination, one axis per slot."""
        shape = self._checked_shape()
        total = np.full(shape, self.constant)
        for slot, own in enumerate(self.own):
            total += own.reshape(_axes(shape, slot))
        for (c, d), table in self.pair.items():
            total += table.reshape(_axes(shape, c, d))
        return total

    def enumerate_residual(self) -> Floats:
        """Higher-order part of every combination, one axis per slot (zeros where there is none)."""
        shape = self._checked_shape()
        if not self.hidden:
            return np.zeros(shape)
        cut = max(1, len(shape) // 2)
        left, right = _all_sums(self.hidden[:cut]), _all_sums(self.hidden[cut:])
        out = np.empty((len(left), len(right)))
        step = max(1, _CHUNK_FLOATS // right.size)
        for start in range(0, len(left), step):
            sums = left[start : start + step, None, :] + right[None, :, :]
            out[start : start + step] = np.tanh(sums, out=sums) @ self.readout
        return out.reshape(shape)

    def _checked_shape(self) -> tuple[int, ...]:
        if prod(self.shape) > MAX_ENUMERATED:
            raise ConfigError(
                f"The number of combinations to enumerate must be at most {MAX_ENUMERATED:,}. "
                f"Found {prod(self.shape):,} ({' x '.join(map(str, self.shape))})."
            )
        return self.shape


def _axes(shape: tuple[int, ...], *kept: int) -> tuple[int, ...]:
    return tuple(size if axis in kept else 1 for axis, size in enumerate(shape))


def _all_sums(tables: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
    """Sum of one row per table, for every choice of rows: [product of sizes, unit]. One zero row for no table."""
    if not tables:
        return np.zeros((1, 1), dtype=np.float32)
    total = tables[0]
    for table in tables[1:]:
        total = (total[:, None, :] + table[None, :, :]).reshape(-1, table.shape[1])
    return total
