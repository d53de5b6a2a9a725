"""MVT: Bayesian probit on elements and all pairs of elements, Thompson sampling, hill climbing.

Source: Hill, Nassif, Liu, Iyer, Vishwanathan, An Efficient Bandit Algorithm for Realtime Multivariate Optimization,
KDD 2017: model with pairwise interactions, Algorithm 1 (Thompson sampling), Algorithm 2 (hill climbing); weights
N(0, 1) at first, learned as in `probit.py`. A draw of the weights and a climb for every view.
Departures: a climb stays among the listed combinations. Five climbs of ten steps, since the two of three steps of `MVT`
in the AES code often end before the top and serve worse than its figure; that code fits least squares, no probit.
Uniform until the first update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import arms_by_item, uniform_arms
from genco.benchmarks.peers.features import all_pairs, element_features, pair_features
from genco.benchmarks.peers.probit import BayesianProbit
from genco.rng import stream


class Mvt:
    """Climbs, slot by slot, to a combination that is best under weights drawn for the view."""

    def __init__(self, arms: ArmTable, seed: int, restarts: int = 5, steps: int = 10) -> None:
        self._arms, self._restarts, self._steps = arms, restarts, steps
        columns = [np.ones((arms.num_arms, 1)), element_features(arms), pair_features(arms, all_pairs(arms))]
        self._features = np.hstack(columns)
        self._active = [np.flatnonzero(row) for row in self._features]
        self._variants = variants(arms)
        self._rng = stream(seed, "mvt")
        self._learned = False
        self.model = BayesianProbit(self._features.shape[1])

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        if not self._learned:
            return uniform_arms(self._arms, items, self._rng)
        return arms_by_item(self._arms, items, self._climb)

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._learned |= len(arms) > 0
        for arm, click in zip(arms.tolist(), clicks.tolist(), strict=True):
            self.model.observe(self._active[arm], bool(click))

    def _climb(self, block: slice, views: int) -> NDArray[np.int64]:
        """The best of several climbs from uniform arms of `block`, as arms within it [view]."""
        noise = self._rng.standard_normal((views, len(self.model.mean)))
        score = (self.model.mean + np.sqrt(self.model.variance) * noise) @ self._features[block].T
        row = np.arange(views)
        best = self._rng.integers(0, score.shape[1], views)
        for restart in range(self._restarts):
            arm = best if restart == 0 else self._rng.integers(0, score.shape[1], views)
            for _ in range(self._steps):
                slot = self._rng.integers(0, self._arms.num_slots, views)
                others = self._variants[slot, block.start + arm] - block.start
                arm = others[row, score[row[:, None], others].argmax(axis=1)]
            best = np.where(score[row, arm] > score[row, best], arm, best)
        return best


def variants(arms: ArmTable) -> NDArray[np.int64]:
    """Listed arms of the same item that differ in one slot at most [slot, arm, element]; the arm itself fills up."""
    size = max(arms.num_elements)
    found = np.broadcast_to(np.arange(arms.num_arms)[None, :, None], (arms.num_slots, arms.num_arms, size)).copy()
    for slot in range(arms.num_slots):
        others = np.delete(arms.elements, slot, axis=1)
        group = np.unique(np.column_stack([arms.item, others]), axis=0, return_inverse=True)[1].ravel()
        listed = np.full((int(group.max()) + 1, size), -1, dtype=np.int64)
        listed[group, arms.elements[:, slot]] = np.arange(arms.num_arms)
        found[slot] = np.where(listed[group] >= 0, listed[group], found[slot])
    return found
