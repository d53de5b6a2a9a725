"""MABWiser, the library itself: one bandit per slot, whose arms are the slot's elements.

Source: Strong, Kleynhans, Kadioglu, MABWiser: A Parallelizable Contextual Multi-Armed Bandit Library for Python, ICTAI
2019; `LearningPolicy.ThompsonSampling` and `LearningPolicy.LinUCB` of the package `mabwiser` (extra `peers`) through
its public `fit`, `partial_fit` and `predict_expectations`. Slots are decided in order, as a user would do it: the
element of which the slot's bandit expects most, among those that still lead to a listed combination of the item. The
context of LinUCB is one, the item's fields and the elements of earlier slots, one-hot. Priors are the library's,
beta(1, 1) and ridge 1; its default alpha of 1 serves almost uniformly at click rates of a few percent, so 0.005 as in
`lin_ucb.py` is taken. Uniform until the first update.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import Floats, arms_by_item, uniform_arms
from genco.benchmarks.peers.features import element_features, field_features
from genco.errors import ConfigError
from genco.rng import stream


def mabwiser_thompson(arms: ArmTable, seed: int) -> MabwiserElements:
    """A `ThompsonSampling` bandit per slot. Raises `ConfigError` where the extra `peers` is not installed."""
    return MabwiserElements(arms, seed, _library().LearningPolicy.ThompsonSampling())


def mabwiser_lin_ucb(arms: ArmTable, seed: int, alpha: float = 0.005) -> MabwiserElements:
    """A `LinUCB` bandit per slot. Raises `ConfigError` where the extra `peers` is not installed."""
    return MabwiserElements(arms, seed, _library().LearningPolicy.LinUCB(alpha=alpha))


class MabwiserElements:
    """A MABWiser bandit per slot with the learning policy `learning`."""

    def __init__(self, arms: ArmTable, seed: int, learning: Any) -> None:
        self._arms, self._learned = arms, False
        self._rng = stream(seed, "mabwiser")
        known = np.hstack([np.ones((arms.num_arms, 1)), field_features(arms), element_features(arms)])
        start = known.shape[1] - sum(arms.num_elements)
        self._contexts = [known[:, : start + sum(arms.num_elements[:slot])] for slot in range(arms.num_slots)]
        self._bandits = [
            _library().MAB(list(range(number)), learning, seed=int(self._rng.integers(2**31)))
            for number in arms.num_elements
        ]

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        if not self._learned:
            return uniform_arms(self._arms, items, self._rng)
        return arms_by_item(self._arms, items, self._slot_by_slot)

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        if not len(arms):
            return
        for bandit, held, contexts in zip(self._bandits, self._arms.elements.T, self._contexts, strict=True):
            learn = bandit.partial_fit if self._learned else bandit.fit
            learn(held[arms], clicks, contexts[arms] if bandit.is_contextual else None)
        self._learned = True

    def _slot_by_slot(self, block: slice, views: int) -> NDArray[np.int64]:
        """Arms within `block` [view]."""
        elements = self._arms.elements[block]
        left = np.ones((views, len(elements)), dtype=bool)
        for bandit, held, contexts in zip(self._bandits, elements.T, self._contexts, strict=True):
            expected = _expectations(bandit, contexts[block][left.argmax(axis=1)])
            best = np.where(left, expected[:, held], -np.inf).argmax(axis=1)
            left &= held == held[best][:, None]
        return np.asarray(left.argmax(axis=1))


def _expectations(bandit: Any, contexts: Floats) -> Floats:
    """What the bandit expects of each of its arms [view, element]; equal contexts are asked once unless it draws."""
    if not bandit.is_contextual:
        return _table(bandit.predict_expectations(contexts))
    distinct, view = np.unique(contexts, axis=0, return_inverse=True)
    return _table(bandit.predict_expectations(distinct))[view.ravel()]


def _table(expectations: Any) -> Floats:
    rows = [expectations] if isinstance(expectations, dict) else expectations
    return np.array([list(row.values()) for row in rows])


def _library() -> Any:
    try:
        return import_module("mabwiser.mab")
    except ModuleNotFoundError as error:
        raise ConfigError("MABWiser needs the extra `peers`: pip install 'genco[peers]'. It is not there.") from error
