"""What linear peers see of an arm: which elements and which pairs of elements it holds, one column each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ROOT, ArmTable

Floats = NDArray[np.float64]


def all_pairs(arms: ArmTable) -> tuple[tuple[int, int], ...]:
    return tuple(combinations(range(arms.num_slots), 2))


def element_features(arms: ArmTable) -> Floats:
    """One column per element [arm, element], slot by slot: 1 where the arm holds it."""
    return np.hstack([_slot_columns(arms, slot) for slot in range(arms.num_slots)])


def pair_features(arms: ArmTable, pairs: Sequence[tuple[int, int]]) -> Floats:
    """One column per pair of elements that some arm holds [arm, pair of elements], for each pair of slots."""
    return np.hstack([np.empty((arms.num_arms, 0)), *(_pair_columns(arms, *pair) for pair in pairs)])


def tree_features(arms: ArmTable) -> Floats:
    """One column per edge of the element tree that some arm holds [arm, edge]: an element below one of its parent slot.

    An edge from the root is the element alone. The tree is the table's own, or the chain of its slots.
    """
    parents = range(ROOT, arms.num_slots - 1) if arms.parents is None else arms.parents
    return np.hstack(
        [
            _slot_columns(arms, slot) if parent == ROOT else _pair_columns(arms, parent, slot)
            for slot, parent in enumerate(parents)
        ]
    )


def field_features(arms: ArmTable) -> Floats:
    """One column per value of each field of the arm's item [arm, value]; no column without fields."""
    columns = [np.empty((arms.num_arms, 0))]
    for field in arms.fields.T:
        values, code = np.unique(field, return_inverse=True)
        columns.append(np.eye(len(values))[code[arms.item]])
    return np.hstack(columns)


def _slot_columns(arms: ArmTable, slot: int) -> Floats:
    return np.eye(arms.num_elements[slot])[arms.elements[:, slot]]


def _pair_columns(arms: ArmTable, first: int, second: int) -> Floats:
    code = arms.elements[:, first].astype(np.int64) * arms.num_elements[second] + arms.elements[:, second]
    present, code = np.unique(code, return_inverse=True)
    return np.eye(len(present))[code]
