"""Choosing arms for a batch of views: uniformly, or each view its item's best by a score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable

Floats = NDArray[np.float64]
Scores = Callable[[slice, int], Floats]
Pick = Callable[[slice, int], NDArray[np.int64]]


def uniform_arms(arms: ArmTable, items: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
    """An arm of each view's item [view], all equally likely."""
    return rng.integers(arms.first[items], arms.first[items + 1])


def arms_by_item(arms: ArmTable, items: NDArray[np.int32], pick: Pick) -> NDArray[np.int64]:
    """The arm of each view [view]. `pick(block, views)`: for so many views of one item, arms within its `block`."""
    chosen = np.empty(len(items), dtype=np.int64)
    order = np.argsort(items, kind="stable")
    views = np.bincount(items, minlength=arms.num_items)
    ends = np.cumsum(views)
    for item in np.flatnonzero(views):
        block = slice(int(arms.first[item]), int(arms.first[item + 1]))
        mine = order[ends[item] - views[item] : ends[item]]
        chosen[mine] = block.start + pick(block, len(mine))
    return chosen


def best_arms(arms: ArmTable, items: NDArray[np.int32], scores: Scores) -> NDArray[np.int64]:
    """The arm of each view's item with the highest score, the first of equals [view].

    `scores(block, views)` scores the arms of `block`, one item's, for so many views of it: [view, arm], or [1, arm]
    where all views share them.
    """
    return arms_by_item(arms, items, lambda block, views: scores(block, views).argmax(axis=1))


def mixed(
    share: float, explored: NDArray[np.int64], chosen: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """`chosen` [view], with probability `share` replaced by `explored` [view]."""
    return np.where(rng.random(len(chosen)) < share, explored, chosen)
