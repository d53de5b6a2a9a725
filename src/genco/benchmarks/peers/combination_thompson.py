"""Thompson sampling with one beta distribution per combination: nothing is shared between combinations.

Source: Chapelle and Li, An Empirical Evaluation of Thompson Sampling, NIPS 2011, Algorithm 2. Prior beta(1, 50), as
`thompson` of the AES code has it. A draw for every view. Uniform until the first update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.choice import Floats, best_arms, uniform_arms
from genco.benchmarks.peers.counts import ArmCounts
from genco.rng import stream


class CombinationThompson:
    """Shows the combination whose drawn click rate is highest. prior: clicks and non-clicks imagined for each."""

    def __init__(self, arms: ArmTable, seed: int, prior: tuple[float, float] = (1.0, 50.0)) -> None:
        self._arms, self._prior = arms, prior
        self._rng = stream(seed, "combination thompson")
        self._counts = ArmCounts(arms.num_arms)

    def posterior(self) -> tuple[Floats, Floats]:
        """Both parameters of the beta distribution of every arm [arm]."""
        return self._prior[0] + self._counts.clicks, self._prior[1] + self._counts.views - self._counts.clicks

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        if self._counts.empty:
            return uniform_arms(self._arms, items, self._rng)
        clicks, others = self.posterior()
        return best_arms(
            self._arms,
            items,
            lambda block, views: self._rng.beta(clicks[block], others[block], (views, block.stop - block.start)),
        )

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        self._counts.add(arms, clicks)
