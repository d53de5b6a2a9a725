"""What linear peers see of an arm: which elements and which pairs of elements it holds, one column each.

A tree over slots names the parent of every slot (`ROOT` for the first, which has none). `AES_PARENTS` is that of the
AES tables, whose columns are template, background, size, colour, font: background and size under the template, colour
under the background, font under the colour (`tree_struct2.txt` of the published code).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.errors import ConfigError

Floats = NDArray[np.float64]
ROOT = -1
AES_PARENTS = (ROOT, 0, 0, 1, 3)


def default_parents(arms: ArmTable) -> tuple[int, ...]:
    """The AES tree for five slots, otherwise the chain of slots in their order."""
    return AES_PARENTS if arms.num_slots == len(AES_PARENTS) else tuple(range(ROOT, arms.num_slots - 1))


def tree_edges(arms: ArmTable, parents: Sequence[int] | None) -> tuple[tuple[int, int], ...]:
    """(parent, child) slots; `None` takes the default tree. Raises `ConfigError` where `parents` is no tree."""
    parents = default_parents(arms) if parents is None else parents
    earlier = (0 <= parent < slot for slot, parent in enumerate(parents) if slot)
    if len(parents) != arms.num_slots or parents[0] != ROOT or not all(earlier):
        raise ConfigError(
            f"Parameter `parents` should be {ROOT} for the first of {arms.num_slots} slots and name an earlier slot "
            f"for every other. Found {tuple(parents)}."
        )
    return tuple((parent, slot) for slot, parent in enumerate(parents) if slot)


def all_pairs(arms: ArmTable) -> tuple[tuple[int, int], ...]:
    return tuple(combinations(range(arms.num_slots), 2))


def element_features(arms: ArmTable) -> Floats:
    """One column per element [arm, element], slot by slot: 1 where the arm holds it."""
    return np.hstack([np.eye(number)[arms.elements[:, slot]] for slot, number in enumerate(arms.num_elements)])


def pair_features(arms: ArmTable, pairs: Sequence[tuple[int, int]]) -> Floats:
    """One column per pair of elements that some arm holds [arm, pair of elements], for each pair of slots."""
    columns = [np.empty((arms.num_arms, 0))]
    for first, second in pairs:
        code = arms.elements[:, first].astype(np.int64) * arms.num_elements[second] + arms.elements[:, second]
        present, code = np.unique(code, return_inverse=True)
        columns.append(np.eye(len(present))[code])
    return np.hstack(columns)


def field_features(arms: ArmTable) -> Floats:
    """One column per value of each field of the arm's item [arm, value]; no column without fields."""
    columns = [np.empty((arms.num_arms, 0))]
    for field in arms.fields.T:
        values, code = np.unique(field, return_inverse=True)
        columns.append(np.eye(len(values))[code[arms.item]])
    return np.hstack(columns)
