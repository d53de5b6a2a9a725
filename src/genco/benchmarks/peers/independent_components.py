"""Each slot's best element by smoothed click rate, whatever stands beside it: what a table of counts can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.peers.offline import Floats, PeerData, Rows
from genco.benchmarks.peers.search import best_of_each_slot
from genco.data.catalogue import Catalogue
from genco.evaluation.element_rates import smoothed_rate
from genco.runtime.legal_space import LegalSpace


@dataclass(frozen=True)
class IndependentComponents:
    """trials, reward: [element + 1], the empty element last."""

    catalogue: Catalogue
    trials: NDArray[np.float64]
    reward: NDArray[np.float64]

    def choose(self, product: int, context: Floats, space: LegalSpace) -> Rows:
        return best_of_each_slot(
            space, [smoothed_rate(self.catalogue, self.trials, self.reward, product, rows) for rows in space.candidates]
        )


def fit(data: PeerData, seed: int) -> IndependentComponents:
    """Count."""
    return IndependentComponents(data.catalogue, *data.element_counts())
