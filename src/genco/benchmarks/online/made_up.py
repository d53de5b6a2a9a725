"""Made-up tables of click rates: one composited creative, or a catalogue whose items share elements.

    logit = level of the item + spread * (sum over kinds of sqrt(share of the kind) * effect of the kind)

Every effect has mean 0 and variance 1 over the arms, so `spread` is about the deviation of logits within an item.
Slots, and pairs of slots, differ in how much they matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ROOT, ArmTable
from genco.benchmarks.online.environment import RatesAt
from genco.rng import stream

Floats = NDArray[np.float64]
COMPOSITE_PARENTS = (ROOT, ROOT, 0, 2)
CATALOGUE_SIZES = (2, 3, 3, 5)
NUM_ITEMS, FIELD_SIZES = 160, (4, 50)


@dataclass(frozen=True)
class Effects:
    """How rates differ. level: mean logit · level_deviation: between items · spread: deviation of logits within an item
    · own, pair, field, rest: shares of its square: elements, pairs of elements, elements by field of the item, the
    arm's own."""

    level: float
    spread: float
    own: float
    pair: float = 0.0
    field: float = 0.0
    rest: float = 0.0
    level_deviation: float = 0.3


def composite_arms() -> ArmTable:
    """200 legal combinations of one creative: each of two backgrounds goes with its own half of eight colours."""
    listed = [(b, s, c, f) for b in range(2) for s in range(5) for c in range(8) for f in range(5) if c // 4 == b]
    elements = np.array(listed, dtype=np.int32)
    return ArmTable(np.zeros(len(elements), np.int32), elements, np.zeros((1, 0), np.int32), COMPOSITE_PARENTS)


def catalogue_arms(seed: int, num_items: int = NUM_ITEMS) -> ArmTable:
    """Items with two known fields; an item has all elements of a slot, or all but some of one slot."""
    rng = stream(seed, "made-up catalogue")
    full = np.stack(np.meshgrid(*map(np.arange, CATALOGUE_SIZES), indexing="ij"), axis=-1).reshape(-1, 4)
    parts = []
    for _ in range(num_items):
        slot = int(rng.integers(4))
        kept = rng.permutation(CATALOGUE_SIZES[slot])[: int(rng.integers(1, CATALOGUE_SIZES[slot] + 1))]
        parts.append(full[np.isin(full[:, slot], kept)])
    item = np.repeat(np.arange(num_items, dtype=np.int32), [len(part) for part in parts])
    fields = np.stack([rng.integers(size, size=num_items) for size in FIELD_SIZES], axis=1).astype(np.int32)
    return ArmTable(item, np.concatenate(parts).astype(np.int32), fields)


def made_up_rates(arms: ArmTable, effects: Effects, seed: int) -> Floats:
    """Click rates [arm]."""
    return _rates(arms, effects, seed, unit_logits(arms, effects, seed, "first"))


def turning_rates(
    arms: ArmTable, effects: Effects, seed: int, start: float, end: float, angle: float = 90.0
) -> RatesAt:
    """Drift: between the views `start` and `end`, at once where they are equal, the effects turn by `angle` degrees
    towards independent ones; the spread stays."""
    first, second = (unit_logits(arms, effects, seed, name) for name in ("first", "second"))

    def at(view: int) -> Floats:
        turned = float(view >= start) if end <= start else float(np.clip((view - start) / (end - start), 0.0, 1.0))
        radians = np.deg2rad(turned * angle)
        return _rates(arms, effects, seed, np.cos(radians) * first + np.sin(radians) * second)

    return at


def unit_logits(arms: ArmTable, effects: Effects, seed: int, name: str) -> Floats:
    """The sum over kinds [arm], of spread 1; `name` beside the seed names the draw."""
    rng = stream(seed, "made-up effects", name)
    slots = arms.elements.T
    fields = arms.fields[arms.item].T
    kinds = (
        (effects.own, [(slot,) for slot in slots]),
        (effects.pair, list(combinations(slots, 2))),
        (effects.field, [(field, slot) for field in fields for slot in slots]),
        (effects.rest, [(arms.item, *slots)]),
    )
    total = np.zeros(arms.num_arms)
    for share, parts in kinds:
        if share > 0:
            total += np.sqrt(share) * _unit(np.sum([_drawn(keys, rng) for keys in parts], axis=0))
    return total


def _rates(arms: ArmTable, effects: Effects, seed: int, unit: Floats) -> Floats:
    """Levels depend on the seed alone."""
    level = effects.level + effects.level_deviation * stream(seed, "made-up levels").standard_normal(arms.num_items)
    return np.asarray(1.0 / (1.0 + np.exp(-level[arms.item] - effects.spread * unit)))


def _drawn(keys: tuple[NDArray[np.int32], ...], rng: np.random.Generator) -> Floats:
    """A normal effect [arm] of every value of `keys`, times how much these keys matter."""
    _, number = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    drawn = rng.standard_normal(int(number.max()) + 1)[number.reshape(-1)]
    return np.asarray(rng.exponential() * drawn)


def _unit(effect: Floats) -> Floats:
    centred = effect - effect.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-12))
