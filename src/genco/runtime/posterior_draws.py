"""Draws from the posterior of the additive weights: what exploration and upper bounds are made of.

A bank of draws is fixed with the model version; a request takes its draws from the bank by a seed of (version, product,
context), so the same request always sees the same draws and the propensity can be recomputed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.rng import stream
from genco.runtime.decision import DecisionConfig
from genco.runtime.legal_space import LegalSpace
from genco.runtime.refine import AdditiveTables
from genco.runtime.reward_model import BoundRewardModel
from genco.runtime.terms import EffectiveWeights

BANK = 256
UPPER_DRAWS = 16
Floats = NDArray[np.float32]


class PosteriorDraws:
    """The bank of one model on one catalogue."""

    def __init__(self, bound: BoundRewardModel, version: str) -> None:
        self.bound, self.version = bound, version

    @cached_property
    def bank(self) -> Floats:
        """Deviations of the weights from their mean [BANK, weight]."""
        covariance = np.asarray(self.bound.model.covariance, dtype=np.float64)
        if not len(covariance):
            return np.zeros((BANK, 0), dtype=np.float32)
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        noise = stream(0, self.version, "posterior bank").standard_normal((BANK, len(values)))
        return np.asarray((noise * np.sqrt(np.maximum(values, 0.0))) @ vectors.T, dtype=np.float32)

    def _chosen(self, product: int, context: Floats, num: int) -> NDArray[np.int64]:
        rng = stream(0, self.version, "draws", product, context.tobytes().hex())
        return rng.permutation(max(BANK, num))[:num] % BANK

    def scores(
        self, product: int, context: Floats, space: LegalSpace, positions: NDArray[np.int32], config: DecisionConfig
    ) -> Floats:
        """Uplift [draw, batch] of combinations under `config.num_draws` draws of width `config.width`."""
        rng = stream(0, self.version, "element draws", product, context.tobytes().hex())
        mean = self.bound.tables(product, context, space.candidates)
        total = np.zeros((config.num_draws, len(positions)), dtype=np.float32)
        effects = [
            config.width * self._element_noise(space, slot, rng, config.num_draws) for slot in range(len(mean.own))
        ]
        for slot, own in enumerate(mean.own):
            total += (own[None] + effects[slot])[:, positions[:, slot]]
        for pair, bilinear in mean.bilinear.items():
            i, j = pair
            table = mean.factors[i] @ bilinear @ mean.factors[j].T
            total += table[positions[:, i], positions[:, j]][None]
        for draw, chosen in enumerate(self._chosen(product, context, config.num_draws)):
            total[draw] += config.width * self._deviation(product, context, space, positions, int(chosen))
        return total

    def _deviation(
        self, product: int, context: Floats, space: LegalSpace, positions: NDArray[np.int32], chosen: int
    ) -> Floats:
        tables = self._noise_tables(product, context, space, chosen)
        total = np.zeros(len(positions), dtype=np.float32)
        for slot, own in enumerate(tables.own):
            total += own[positions[:, slot]]
        for (i, j), bilinear in tables.bilinear.items():
            table = tables.factors[i] @ bilinear @ tables.factors[j].T
            total += table[positions[:, i], positions[:, j]]
        return total

    def _noise_tables(self, product: int, context: Floats, space: LegalSpace, chosen: int) -> AdditiveTables:
        return self.bound.tables(product, context, space.candidates, self._weights(chosen), with_elements=False)

    def _weights(self, chosen: int) -> EffectiveWeights:
        return self.bound.model.layout.effective(self.bank[chosen])

    def _element_noise(self, space: LegalSpace, slot: int, rng: np.random.Generator, num_draws: int) -> Floats:
        """Draws [draw, candidate] of what content does not tell of each candidate; the empty element has none."""
        rows = space.candidates[slot]
        variance = np.where(rows == EMPTY, 0.0, self.bound.element_var[rows])
        noise = rng.standard_normal((num_draws, len(rows)))
        return np.asarray(noise * np.sqrt(variance), dtype=np.float32)

    def upper_tables(self, tables: AdditiveTables, product: int, context: Floats, space: LegalSpace) -> AdditiveTables:
        """Scores with every own effect raised by its posterior standard deviation, estimated from draws."""
        drawn = [self._noise_tables(product, context, space, chosen).own for chosen in range(UPPER_DRAWS)]
        raised = []
        for slot, own in enumerate(tables.own):
            rows = space.candidates[slot]
            hidden = np.where(rows == EMPTY, 0.0, self.bound.element_var[rows])
            spread = np.sqrt(np.var([draw[slot] for draw in drawn], axis=0) + hidden)
            raised.append(np.asarray(own + spread, dtype=np.float32))
        return replace(tables, own=tuple(raised))
