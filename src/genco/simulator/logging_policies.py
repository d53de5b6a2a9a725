"""The policies that collected the logs. Every one knows the exact propensity of what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genco.types import Floats

Rows = NDArray[np.int32]

TEMPERATURE, UNIFORM_SHARE = 0.5, 0.1


class LoggingPolicy(Protocol):
    """Chooses combinations of element rows for products; contexts are ignored, as in the logs it stands for."""

    @property
    def name(self) -> str: ...

    def choose(self, rng: np.random.Generator, product: Rows) -> tuple[Rows, Floats]:
        """Combinations [batch, slot] for products [batch], and their propensities [batch]."""
        ...

    def propensity(self, product: Rows, combination: Rows) -> Floats:
        """Exact probability [batch] of showing each combination for its product."""
        ...


@dataclass(frozen=True, eq=False)
class UniformSlots:
    """Every slot independently and uniformly over the elements it may show.

    starts, counts: [product, slot], where the slot's elements stand in `pool` [all pools, one after another].
    """

    pool: Rows
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    name: str = "uniform"

    def choose(self, rng: np.random.Generator, product: Rows) -> tuple[Rows, Floats]:
        counts = self.counts[product]
        picked = self.starts[product] + (rng.random(counts.shape) * counts).astype(np.int64)
        return self.pool[picked], 1.0 / counts.prod(axis=1)

    def propensity(self, product: Rows, combination: Rows) -> Floats:
        shown = np.ones(len(product), dtype=bool)
        for slot in range(combination.shape[1]):
            start, stop = self.starts[product, slot], self.starts[product, slot] + self.counts[product, slot]
            position = np.minimum(_first_at_least(self.pool, start, stop, combination[:, slot]), len(self.pool) - 1)
            shown &= (position < stop) & (self.pool[position] == combination[:, slot])
        return np.where(shown, 1.0 / self.counts[product].prod(axis=1), 0.0)

    @classmethod
    def over(cls, may_show: NDArray[np.bool_], pools: list[Rows]) -> UniformSlots:
        """Uniform over the elements of `pools` (one [product, candidate] array per slot) that `may_show` [element]."""
        allowed = [may_show[rows] for rows in pools]
        counts = np.stack([mask.sum(axis=1) for mask in allowed], axis=1)
        flat = np.concatenate([rows[mask] for rows, mask in zip(pools, allowed, strict=True)])
        starts = np.concatenate([[0], np.cumsum(counts.T.ravel())[:-1]]).reshape(counts.T.shape).T
        return cls(flat.astype(np.int32), np.ascontiguousarray(starts), counts)


@dataclass(frozen=True, eq=False)
class SoftmaxSlots:
    """Every slot independently: 0.9 softmax(preference / 0.5) + 0.1 uniform over its candidates.

    rows: per slot the element rows [product, candidate] · probability: per slot [product, candidate].
    """

    rows: tuple[Rows, ...]
    probability: tuple[Floats, ...]
    name: str = "softmax"

    def choose(self, rng: np.random.Generator, product: Rows) -> tuple[Rows, Floats]:
        draws = rng.random((len(self.rows), len(product)))
        combination = np.empty((len(product), len(self.rows)), dtype=np.int32)
        propensity = np.ones(len(product))
        for slot, (rows, probability) in enumerate(zip(self.rows, self.probability, strict=True)):
            position = inverse_cumulative(probability.T.cumsum(axis=0)[:, product], draws[slot])
            combination[:, slot] = rows[product, position]
            propensity *= probability[product, position]
        return combination, propensity

    def propensity(self, product: Rows, combination: Rows) -> Floats:
        total = np.ones(len(product))
        for slot, (rows, probability) in enumerate(zip(self.rows, self.probability, strict=True)):
            shown = rows[product] == combination[:, slot, None]
            total *= (probability[product] * shown).sum(axis=1)
        return total


@dataclass(frozen=True, eq=False)
class SequentialSoftmax:
    """Slot by slot over legal completions: 0.9 softmax(preference / 0.5) + 0.1 uniform over what is still legal.

    Highlights may not repeat and some do not go with some titles; enough of them go with every title that no choice
    leads to a dead end, so legal completions are exactly the elements that clash with no earlier choice.

    rows, weight: per slot [product, candidate], element rows and exp(preference / 0.5), 0 = not approved ·
    slot_component: component of each slot · goes_with: (component, component) -> bool [product, candidate, candidate].
    """

    rows: tuple[Rows, ...]
    weight: tuple[Floats, ...]
    slot_component: tuple[int, ...]
    goes_with: dict[tuple[int, int], NDArray[np.bool_]]
    name: str = "sequential softmax"

    def choose(self, rng: np.random.Generator, product: Rows) -> tuple[Rows, Floats]:
        draws = rng.random((len(self.rows), len(product)))
        batch = np.arange(len(product))
        positions = np.empty((len(product), len(self.rows)), dtype=np.int32)
        propensity = np.ones(len(product))
        for slot in range(len(self.rows)):
            probability = self._probability(product, positions[:, :slot])
            position = inverse_cumulative(probability.cumsum(axis=0), draws[slot])
            positions[:, slot] = position
            propensity *= probability[position, batch]
        return self._rows_at(product, positions), propensity

    def propensity(self, product: Rows, combination: Rows) -> Floats:
        batch = np.arange(len(product))
        positions = np.empty(combination.shape, dtype=np.int32)
        total = np.ones(len(product))
        for slot, rows in enumerate(self.rows):
            shown = rows[product] == combination[:, slot, None]
            positions[:, slot] = shown.argmax(axis=1)
            probability = self._probability(product, positions[:, :slot])
            total *= np.where(shown.any(axis=1), probability[positions[:, slot], batch], 0.0)
        return total

    def _probability(self, product: Rows, prefix: Rows) -> Floats:
        """Probability [candidate, batch] of the slot after `prefix` (positions [batch, slots so far])."""
        slot = prefix.shape[1]
        component = self.slot_component[slot]
        clashing = [d for d in range(slot) if (self.slot_component[d], component) in self.goes_with]
        repeated = [d for d in range(slot) if self.slot_component[d] == component]
        weight = self.weight[slot].T
        if not clashing and not repeated:
            return mixed_softmax(weight)[:, product]
        weight = weight[:, product]
        for d in clashing:
            goes_with = self.goes_with[self.slot_component[d], component]
            flat = goes_with.reshape(-1, goes_with.shape[2]).T
            weight *= flat[:, product * goes_with.shape[1] + prefix[:, d]]
        batch = np.arange(len(product))
        for d in repeated:
            weight[prefix[:, d], batch] = 0.0
        return mixed_softmax(weight)

    def _rows_at(self, product: Rows, positions: Rows) -> Rows:
        return np.stack([rows[product, positions[:, slot]] for slot, rows in enumerate(self.rows)], axis=1)


def mixed_softmax(weight: Floats) -> Floats:
    """0.9 of `weight` [candidate, ...] normalised along the first axis plus 0.1 uniform over its positive entries."""
    positive = weight > 0
    share = UNIFORM_SHARE / positive.sum(axis=0)
    return np.asarray(weight * ((1 - UNIFORM_SHARE) / weight.sum(axis=0)) + positive * share)


def inverse_cumulative(cumulative: Floats, draw: Floats) -> NDArray[np.int64]:
    """Candidate [batch] that each uniform `draw` [batch] in [0, 1) falls on; `cumulative` is [candidate, batch].

    A candidate of probability 0 is never picked.
    """
    return np.asarray((draw * cumulative[-1] >= cumulative).sum(axis=0))


def preferences(own: Floats, rows: Rows, noise: Floats) -> Floats:
    """What a logging policy believes of elements: own effects, standardised by row, plus fixed noise.

    own: [element] · rows: [product, candidate], -1 = empty with effect 0 · noise: [product, candidate].
    """
    effects = np.append(own, 0.0)[rows]
    spread = effects.std(axis=1, keepdims=True)
    return np.asarray((effects - effects.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0) + noise)


def _first_at_least(pool: Rows, start: NDArray[np.int64], stop: NDArray[np.int64], wanted: Rows) -> NDArray[np.int64]:
    """First index in [start, stop) whose entry of the ascending `pool` is at least `wanted`, else stop."""
    low, high = start.copy(), stop.copy()
    while (low < high).any():
        middle = (low + high) // 2
        smaller = (low < high) & (pool[np.minimum(middle, len(pool) - 1)] < wanted)
        low, high = np.where(smaller, middle + 1, low), np.where(smaller, high, np.minimum(high, middle))
    return low
