"""Draws from the posterior of the additive weights: what exploration and upper bounds are made of.

A bank of draws is fixed with the model version; a request takes its draws from the bank by a seed of (version, product,
context), so the same request always sees the same draws and the propensity can be recomputed. All draws of a request
are evaluated at once, and only for the candidates that are asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.rng import stream
from genco.runtime.decision import DecisionConfig
from genco.runtime.legal_space import LegalSpace
from genco.runtime.refine import AdditiveTables, score
from genco.runtime.reward_model import BoundRewardModel

BANK = 256
UPPER_DRAWS = 16
Floats = NDArray[np.float32]
Positions = NDArray[np.int32]


@dataclass(frozen=True)
class Bank:
    """Deviations of the weights from their mean, as slots use them.

    query: per slot [BANK, 1 + num_context, own_rank] · empty: [BANK, slot] · bilinear: (c, c') with c < c' ->
    [BANK, pair_rank_c, pair_rank_c'].
    """

    query: tuple[Floats, ...]
    empty: Floats
    bilinear: dict[tuple[int, int], Floats]


class PosteriorDraws:
    """The bank of one model on one catalogue."""

    def __init__(self, bound: BoundRewardModel, version: str) -> None:
        self.bound, self.version = bound, version

    def on(self, bound: BoundRewardModel) -> PosteriorDraws:
        """The same draws on another state of the catalogue. bound: of the same model."""
        made = PosteriorDraws(bound, self.version)
        made.deviations, made.bank = self.deviations, self.bank
        return made

    @cached_property
    def deviations(self) -> Floats:
        """Deviations of the weights from their mean [BANK, weight]."""
        covariance = np.asarray(self.bound.model.covariance, dtype=np.float64)
        if not len(covariance):
            return np.zeros((BANK, 0), dtype=np.float32)
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        noise = stream(0, self.version, "posterior bank").standard_normal((BANK, len(values)))
        return np.asarray((noise * np.sqrt(np.maximum(values, 0.0))) @ vectors.T, dtype=np.float32)

    @cached_property
    def bank(self) -> Bank:
        read = [self.bound.model.layout.effective(row) for row in self.deviations]
        return Bank(
            tuple(np.stack(queries) for queries in zip(*(weights.query for weights in read), strict=True)),
            np.stack([weights.empty for weights in read]),
            {pair: np.stack([weights.bilinear[pair] for weights in read]) for pair in read[0].bilinear},
        )

    def _chosen(self, product: int, context: Floats, num: int) -> NDArray[np.int64]:
        rng = stream(0, self.version, "draws", product, context.tobytes().hex())
        return rng.permutation(max(BANK, num))[:num] % BANK

    def scores(
        self,
        tables: AdditiveTables,
        product: int,
        context: Floats,
        space: LegalSpace,
        positions: Positions,
        config: DecisionConfig,
    ) -> Floats:
        """Uplift [draw, batch] of combinations under `config.num_draws` draws of width `config.width`.

        tables: the mean, as `BoundRewardModel.tables` gives it for the candidates of `space`.
        """
        chosen = self._chosen(product, context, config.num_draws)
        shown = [_distinct(positions[:, slot], size) for slot, size in enumerate(space.sizes)]
        used, at = [candidates for candidates, _ in shown], [place for _, place in shown]
        own = self._own(product, context, space, chosen, used)
        noise = self._element_noise(product, context, space, used, config.num_draws)
        total = np.zeros((len(positions), config.num_draws), dtype=np.float32)
        for part, hidden, place in zip(own, noise, at, strict=True):
            total += (part + hidden)[place]
        for (i, j), bilinear in self.bank.bilinear.items():
            weights = bilinear[chosen].reshape(len(chosen), -1).T
            left, right = tables.factors[i], tables.factors[j]
            if len(used[i]) * len(used[j]) < len(positions):
                table = _outer(np.repeat(left[used[i]], len(used[j]), 0), np.tile(right[used[j]], (len(used[i]), 1)))
                total += (table @ weights)[at[i] * len(used[j]) + at[j]]
            else:
                total += _outer(left[positions[:, i]], right[positions[:, j]]) @ weights
        return (score(tables, positions)[:, None] + np.float32(config.width) * total).T

    def _own(
        self,
        product: int,
        context: Floats,
        space: LegalSpace,
        chosen: NDArray[np.integer],
        used: Sequence[NDArray[np.integer]],
    ) -> list[Floats]:
        """Deviation of own effects, per slot [candidate, draw], of the candidates `used` (positions of each slot)."""
        layout, bank = self.bound.model.layout, self.bank
        use = np.concatenate([np.ones(1, dtype=np.float32), context])
        mean = [self.bound.reference(product, slot) for slot in range(layout.num_slots)]
        pull = [use @ query[chosen] for query in bank.query]
        for (i, j), bilinear in bank.bilinear.items():
            weights = bilinear[chosen]
            rank_i, rank_j = weights.shape[1:]
            pull[i][:, :rank_i] += weights @ mean[j][0][:rank_j]
            pull[j][:, :rank_j] += mean[i][0][:rank_i] @ weights
        own = []
        for slot, candidates in enumerate(used):
            rows = space.candidates[slot][candidates]
            is_empty = rows == EMPTY
            latents = self.bound.latents[np.where(is_empty, len(self.bound.latents) - 1, rows)] - mean[slot][0]
            part = latents[:, : pull[slot].shape[1]] @ pull[slot].T
            own.append(part + (is_empty - np.float32(mean[slot][1]))[:, None] * bank.empty[chosen, slot])
        return own

    def _element_noise(
        self,
        product: int,
        context: Floats,
        space: LegalSpace,
        used: Sequence[NDArray[np.integer]],
        num_draws: int,
    ) -> list[Floats]:
        """What content does not tell of each candidate `used`, per slot [candidate, draw].

        An element has one effect, whichever slot shows it; the empty element has none.
        """
        shown = [rows[candidates] for rows, candidates in zip(space.candidates, used, strict=True)]
        elements, place = np.unique(np.concatenate(shown), return_inverse=True)
        deviation = np.sqrt(np.where(elements == EMPTY, 0.0, self.bound.element_var[elements]), dtype=np.float32)
        rng = stream(0, self.version, "element draws", product, context.tobytes().hex())
        noise = rng.standard_normal((len(elements), num_draws), dtype=np.float32) * deviation[:, None]
        return np.split(noise[place], np.cumsum([len(rows) for rows in shown])[:-1])

    def upper_tables(self, tables: AdditiveTables, product: int, context: Floats, space: LegalSpace) -> AdditiveTables:
        """Scores with every own effect raised by its posterior standard deviation, estimated from draws."""
        drawn = self._own(product, context, space, np.arange(UPPER_DRAWS), [np.arange(size) for size in space.sizes])
        raised = []
        for own, part, rows in zip(tables.own, drawn, space.candidates, strict=True):
            hidden = np.where(rows == EMPTY, 0.0, self.bound.element_var[rows])
            raised.append(np.asarray(own + np.sqrt(part.var(axis=1) + hidden), dtype=np.float32))
        return replace(tables, own=tuple(raised))


def _distinct(positions: Positions, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The candidates among `positions` [batch] of a slot with `size` candidates, and where each stands in them."""
    seen = np.zeros(size, dtype=bool)
    seen[positions] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[positions]


def _outer(left: Floats, right: Floats) -> Floats:
    """Products [batch, rank * rank'] of every latent of one side with every latent of the other."""
    return np.asarray((left[:, :, None] * right[:, None, :]).reshape(len(left), -1))
