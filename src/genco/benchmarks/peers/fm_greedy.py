"""Factorisation machine over elements and item fields, greedy.

Source: the FM baseline of Chen, Xu, Jiang, Ge, Zhang, Lian, Zheng, Automated Creative Optimization for E-Commerce
Advertising, WWW 2021 (8 dimensions, first-order weights, no exploration); model: `factorisation_machine.py`.
Departures: the published one trains 200 epochs of Adam on single views from a new start at every update (349 s); this
one goes on from the last fit, with counts, and its penalty of 10 is the one of 0.1, 1, 10 that comes nearest to the
published figure. Uniform until the first update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import best_arms, uniform_arms
from genco.benchmarks.peers.counts import ArmCounts
from genco.benchmarks.peers.factorisation_machine import FactorisationMachine
from genco.benchmarks.peers.features import element_features, field_features
from genco.rng import stream


class FmGreedy:
    """Shows the arm with the highest predicted click rate."""

    def __init__(self, arms: ArmTable, seed: int, penalty: float = 10.0) -> None:
        self._arms = arms
        self._rng = stream(seed, "fm greedy")
        self._features = csr_array(np.hstack([element_features(arms), field_features(arms)]))
        factors = stream(seed, "fm greedy", "factors")
        self._model = FactorisationMachine(self._features.shape[1], factors, penalty=penalty)
        self._counts = ArmCounts(arms.num_arms)
        self._score = np.zeros(arms.num_arms)

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        if self._counts.empty:
            return uniform_arms(self._arms, items, self._rng)
        return best_arms(self._arms, items, lambda block, _: self._score[None, block])

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._counts.add(arms, clicks)
        if self._counts.empty:
            return
        shown = np.flatnonzero(self._counts.views)
        self._model.fit(self._features[shown], self._counts.views[shown], self._counts.clicks[shown])
        self._score = self._model.logit(self._features)
