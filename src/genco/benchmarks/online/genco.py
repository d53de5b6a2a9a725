"""GenCO's own policy as the online loop plays it: the belief and the decisions that serve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.policies.arm_policy import FEW_ITEMS, ArmPolicyConfig, ItemArms, ItemPlan
from genco.rng import stream
from genco.runtime.arm_belief import ArmBelief
from genco.runtime.arm_posterior import ArmCounts
from genco.runtime.shared_belief import SharedBelief

HALF_LIFE = 40_000.0


def genco_half_life(arms: ArmTable, seed: int) -> GencoPolicy:
    """The same with forgetting: a view counts half after `HALF_LIFE` more."""
    return GencoPolicy(arms, seed, ArmPolicyConfig(half_life=HALF_LIFE))


class GencoPolicy:
    """One belief over all arms, one plan per item; the same configuration for every table."""

    def __init__(self, arms: ArmTable, seed: int, config: ArmPolicyConfig | None = None) -> None:
        config = config or ArmPolicyConfig()
        self._rng = stream(seed, "genco policy")
        self._first = arms.first
        self._belief: ArmBelief | SharedBelief
        if arms.num_items == 1:
            self._belief = ArmBelief(arms.elements, config.half_life)
            self._posterior = self._belief.posterior
        else:
            self._belief = SharedBelief(arms.item, arms.elements, arms.fields, config.half_life)
            many = arms.num_items > FEW_ITEMS
            self._posterior = self._belief.shared_posterior if many else self._belief.posterior
        bounds = zip(arms.first[:-1], arms.first[1:], strict=True)
        self.plans = [ItemPlan(ItemArms(arms.elements[start:stop]), config, arms.num_items) for start, stop in bounds]

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        chosen = np.empty(len(items), dtype=np.int64)
        for item in np.unique(items).tolist():
            views = np.flatnonzero(items == item)
            served = self.plans[item].serve(self._posterior(item), len(views), self._rng)
            chosen[views] = self._first[item] + served
        return chosen

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        counts = ArmCounts.of(arms, clicks, int(self._first[-1]))
        self._belief.learn(counts)
        for item in np.unique(items).tolist():
            self.plans[item].told(counts.views[self._first[item] : self._first[item + 1]])
