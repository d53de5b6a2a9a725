"""What every online policy must do. A policy is built from (arm table, seed) alone: it never meets a rate."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.online.policy import OnlinePolicy, PolicyFactory
from genco.benchmarks.online.tables import AES_PARENTS

Ints = NDArray[np.int64]


def table(
    items: list[list[tuple[int, ...]]], fields: list[list[int]] | None = None, parents: tuple[int, ...] | None = None
) -> ArmTable:
    """The combinations of every item; fields of every item, none by default."""
    item = np.repeat(np.arange(len(items)), [len(listed) for listed in items]).astype(np.int32)
    known = np.array(fields, dtype=np.int32) if fields else np.zeros((len(items), 0), dtype=np.int32)
    return ArmTable(item, np.array([row for listed in items for row in listed], dtype=np.int32), known, parents)


def aes_shaped() -> ArmTable:
    """One item, 200 combinations: background, size, colour (0-3 for background 0, 4-7 for 1), font; the AES tree."""
    every = itertools.product(range(2), range(5), range(8), range(5))
    return table([[row for row in every if row[2] // 4 == row[0]]], parents=AES_PARENTS)


def small_items() -> ArmTable:
    """Three items with fields and 12, 5 and 1 listed combinations of three slots."""
    every = list(itertools.product(range(2), range(3), range(2)))
    return table([every, every[1::2][:5], [every[4]]], [[0, 3], [1, 3], [0, 5]])


def check_online_policy(make: PolicyFactory, learns: bool = True) -> None:
    """Legal, reproducible, at ease with nothing to learn from and with one arm; prefers what is clicked."""
    for arms in (small_items(), aes_shaped()):
        _check_legal_and_seeded(make, arms)
    if learns:
        _check_prefers_the_better(make)


def _check_legal_and_seeded(make: PolicyFactory, arms: ArmTable) -> None:
    first, again, other = (_played(make(arms, seed), arms) for seed in (3, 3, 4))
    for items, chosen in first:
        assert chosen.shape == items.shape
        assert (arms.item[chosen] == items).all()
    assert all((mine == yours).all() for (_, mine), (_, yours) in zip(first, again, strict=True))
    assert any((mine != yours).any() for (_, mine), (_, yours) in zip(first, other, strict=True))


def _played(policy: OnlinePolicy, arms: ArmTable) -> list[tuple[Ints, Ints]]:
    rng = np.random.default_rng(1)
    nothing = np.zeros(0, dtype=np.int64)
    policy.update(nothing.astype(np.int32), nothing, nothing)
    rounds = []
    for views in (40, 40, 1, 0, 40):
        items = rng.integers(arms.num_items, size=views, dtype=np.int32)
        chosen = policy.choose(items)
        rounds.append((items.astype(np.int64), chosen.copy()))
        policy.update(items, chosen, (rng.random(views) < 0.3).astype(np.int64))
    return rounds


def _check_prefers_the_better(make: PolicyFactory) -> None:
    """Of 2 x 2 combinations all those with element 1 in the second slot are clicked often, the others hardly ever."""
    arms = table([[(0, 0), (0, 1), (1, 0), (1, 1)]])
    rng = np.random.default_rng(5)
    policy = make(arms, 2)
    items = np.zeros(200, dtype=np.int32)
    for _ in range(15):
        chosen = policy.choose(items)
        rate = np.where(arms.elements[chosen, 1] == 1, 0.6, 0.02)
        policy.update(items, chosen, (rng.random(len(items)) < rate).astype(np.int64))
    assert np.mean(arms.elements[policy.choose(items), 1] == 1) > 0.85
