"""Passes over an encoded log: log-likelihood, gradient and curvature of the additive reward model.

The model is a generalised linear model, so training is a handful of full Newton passes instead of epochs of small
steps: every pass reads the log once in chunks and returns sums, and sums of shards add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genco.data.encoded_log import EncodedLog
from genco.models.nuisance import Units, UnitSums
from genco.runtime.terms import TermLayout

CHUNK_ROWS, CHUNK_LATENTS = 65_536, 4_194_304  # a chunk's latents should stay in a core's cache
CURVATURE_CHUNK_ROWS = 4_096


@dataclass(frozen=True)
class ContentTables:
    """What the model knows of the catalogue.

    latents: float32 [element + 1, rank], the last row zero for the empty element · pool_mean: float32
    [product, slot, rank] mean latent of the reference pool · pool_empty: float32 [product, slot] share of the empty
    element in it · pool_share: per product and slot the mean of any element table over the pool is
    `pool_mean_of(table)`.
    """

    latents: NDArray[np.float32]
    pool_mean: NDArray[np.float32]
    pool_empty: NDArray[np.float32]
    pool_elements: NDArray[np.int32]
    pool_owner: NDArray[np.int32]

    def pool_mean_of(self, table: NDArray[np.floating]) -> NDArray[np.float32]:
        """Mean over each (product, slot) pool of a value per element, `table` [element + 1] -> [product, slot]."""
        shape = self.pool_empty.shape
        size = np.bincount(self.pool_owner, minlength=shape[0] * shape[1])
        total = np.bincount(self.pool_owner, weights=table[self.pool_elements], minlength=shape[0] * shape[1])
        return (total / np.maximum(size, 1)).reshape(shape).astype(np.float32)


@dataclass(frozen=True)
class PassResult:
    """Sums over the log at the current weights; every field adds over shards."""

    log_likelihood: float
    gradient: NDArray[np.float64]
    group_residual: NDArray[np.float64]
    group_curvature: NDArray[np.float64]
    element_residual: NDArray[np.float64] | None
    element_curvature: NDArray[np.float64] | None

    def __add__(self, other: PassResult) -> PassResult:
        def plus(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
            return None if a is None or b is None else a + b

        return PassResult(
            self.log_likelihood + other.log_likelihood,
            self.gradient + other.gradient,
            self.group_residual + other.group_residual,
            self.group_curvature + other.group_curvature,
            plus(self.element_residual, other.element_residual),
            plus(self.element_curvature, other.element_curvature),
        )


class AdditiveModel:
    """The additive terms at weights `theta` [num_weights] and element effects [element + 1], ready for passes."""

    def __init__(
        self,
        layout: TermLayout,
        tables: ContentTables,
        log: EncodedLog,
        theta: NDArray[np.floating],
        element_effect: NDArray[np.floating] | None = None,
    ) -> None:
        self.layout = layout
        self.log = log
        width = sum(layout.own_rank[component] for component in layout.slot_component)
        self._chunk_rows = max(min(CHUNK_ROWS, CHUNK_LATENTS // max(width, 1)), 1)
        self._latents = tables.latents
        self._pool_mean = torch.from_numpy(tables.pool_mean)
        self._pool_empty = torch.from_numpy(tables.pool_empty)
        self._contexts = torch.from_numpy(log.contexts)
        self._group_context = torch.from_numpy(log.group_context).long()
        self._group_product = torch.from_numpy(log.group_product).long()
        self._empty_row = len(tables.latents) - 1
        self._optional = any(layout.optional)
        self._element_effect = None if element_effect is None else torch.from_numpy(np.float32(element_effect))
        self.weights = weights = layout.effective(theta)
        self._query = [torch.from_numpy(weight) for weight in weights.query]
        self._empty = torch.from_numpy(weights.empty)
        self._bilinear = {pair: torch.from_numpy(weight) for pair, weight in weights.bilinear.items()}
        self._query_table = [q[0] + self._contexts @ q[1:] for q in self._query]
        self._effect_offset: Tensor | None = None
        if element_effect is not None:
            self._effect_offset = torch.from_numpy(tables.pool_mean_of(np.asarray(element_effect)).sum(axis=1))
        self.group_offset = self._pool_values()

    def _slot_latents(self, rows: NDArray[np.int32]) -> list[Tensor]:
        return [  # numpy takes rows of a few numbers twice as fast as torch
            torch.from_numpy(self._latents.take(rows[:, slot], axis=0))[:, : self.layout.own_rank[component]]
            for slot, component in enumerate(self.layout.slot_component)
        ]

    def _value(self, latents: list[Tensor], empty: Tensor | None, context: Tensor) -> Tensor:
        """Uncentred own + pair terms [batch]. `context` [batch] indexes the distinct contexts."""
        total = torch.zeros(len(latents[0]))
        for slot, latent in enumerate(latents):
            query = self._query_table[slot].index_select(0, context)
            rank = self.layout.pair_rank[self.layout.slot_component[slot]]
            if self.layout.pair and slot:
                pull = torch.zeros(len(latent), rank)
                for earlier in range(slot):
                    weights = self._bilinear[earlier, slot]
                    pull.addmm_(latents[earlier][:, : weights.shape[0]], weights)
                query[:, :rank] += pull
            total += (query * latent).sum(1)
        return total if empty is None else total + empty @ self._empty

    def _pool_values(self) -> Tensor:
        """Value of the pool's mean element, per group [group]: what centring subtracts."""
        parts = []
        for start in range(0, self.log.num_groups, self._chunk_rows):
            product = self._group_product[start : start + self._chunk_rows]
            value = self._value(
                self._pool_latents(product),
                self._pool_empty[product] if self._optional else None,
                self._group_context[start : start + self._chunk_rows],
            )
            parts.append(value if self._effect_offset is None else value + self._effect_offset[product])
        return torch.cat(parts) if parts else torch.zeros(0)

    def _pool_latents(self, product: Tensor) -> list[Tensor]:
        return [
            self._pool_mean[product, slot, : self.layout.own_rank[component]]
            for slot, component in enumerate(self.layout.slot_component)
        ]

    def uplift_of(self, log: EncodedLog) -> Tensor:
        """Centred uplift [row] of the rows of `log`, which must share this model's groups."""
        rows = torch.from_numpy(log.combination)
        group = torch.from_numpy(log.group).long()
        empty = (rows == self._empty_row).float() if self._optional else None
        value = self._value(self._slot_latents(log.combination), empty, self._group_context[group])
        return self._with_element_effects(value, rows) - self.group_offset[group]

    def _with_element_effects(self, value: Tensor, rows: Tensor) -> Tensor:
        if self._element_effect is not None:
            for slot in range(self.layout.num_slots):
                value = value + self._element_effect.index_select(0, rows[:, slot])
        return value

    def run(self, appeal: NDArray[np.floating], with_elements: bool = False) -> PassResult:
        """One pass at `appeal` [group] logits. Element sums only when asked for: they cost a scatter per slot."""
        base = torch.from_numpy(np.float32(appeal)) - self.group_offset
        num_groups, num_slots = self.log.num_groups, self.layout.num_slots
        likelihood = 0.0
        group_sums = [torch.zeros(num_groups) for _ in range(2)]
        element_sums = [torch.zeros(self._empty_row + 1) for _ in range(2)] if with_elements else None
        collect = _GradientSums(self.layout, len(self._contexts))
        for start in range(0, len(self.log), self._chunk_rows):
            rows = torch.from_numpy(self.log.combination[start : start + self._chunk_rows])
            group = torch.from_numpy(self.log.group[start : start + self._chunk_rows]).long()
            trials = torch.from_numpy(self.log.trials[start : start + self._chunk_rows])
            reward = torch.from_numpy(self.log.reward[start : start + self._chunk_rows])
            context = self._group_context.index_select(0, group)
            latents = self._slot_latents(rows.numpy())
            empty = (rows == self._empty_row).float() if self._optional else None
            logit = base.index_select(0, group) + self._value(latents, empty, context)
            logit = self._with_element_effects(logit, rows)
            rate = torch.sigmoid(logit)
            residual = reward - trials * rate
            curvature = trials * rate * (1 - rate)
            likelihood += float(
                (reward * logit - trials * torch.nn.functional.softplus(logit)).sum(dtype=torch.float64)
            )
            collect.add(latents, empty, context, residual)
            group_sums[0].index_add_(0, group, residual)
            group_sums[1].index_add_(0, group, curvature)
            if element_sums is not None:
                for slot in range(num_slots):
                    element_sums[0].index_add_(0, rows[:, slot], residual)
                    element_sums[1].index_add_(0, rows[:, slot], curvature)
        for start in range(0, num_groups, self._chunk_rows):
            product = self._group_product[start : start + self._chunk_rows]
            collect.add(
                self._pool_latents(product),
                self._pool_empty[product] if self._optional else None,
                self._group_context[start : start + self._chunk_rows],
                -group_sums[0][start : start + self._chunk_rows],
            )
        elements = [None, None] if element_sums is None else [part.double().numpy() for part in element_sums]
        return PassResult(
            likelihood,
            collect.gradient(self._contexts),
            group_sums[0].double().numpy(),
            group_sums[1].double().numpy(),
            elements[0],
            elements[1],
        )

    def curvature(
        self,
        appeal: NDArray[np.floating],
        rows: NDArray[np.integer],
        product_precision: float | None = None,
        element_precision: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Fisher information [num_weights, num_weights] of the weights from `rows` of the log.

        Given `product_precision` (prior precision of the product effect; the rows must hold products whole), the
        information spent on estimating the product effects is taken out (Schur complement), and so is that spent on
        effects of elements where `element_precision` [element + 1] is given and finite.
        """
        log, layout = self.log.take(rows), self.layout
        order = np.lexsort((log.group, log.product))
        log = log.take(order)
        base = np.float32(appeal) - self.group_offset.numpy()
        total = np.zeros((layout.num_weights, layout.num_weights))
        if element_precision is None:
            element_precision = np.full(self._empty_row + 1, np.inf)
        units, spent = UnitSums(np.isfinite(element_precision)), _Spent(total, product_precision, element_precision)
        for start in range(0, len(log), CURVATURE_CHUNK_ROWS):
            features, weight, product = self._centred_features(log, base, start)
            if product_precision is not None:
                spent.take_out(units.add(product, log.combination[start : start + len(product)], features, weight))
            scaled = features * np.sqrt(weight)[:, None]
            total += scaled.T @ scaled  # one array on both sides: numpy works out half of a symmetric product
        spent.take_out(units.rest(), last=True)
        return (total + total.T) / 2

    def units(
        self, appeal: NDArray[np.floating], rows: NDArray[np.integer], own_effect: NDArray[np.bool_]
    ) -> Iterator[Units]:
        """`Units` of every product of `rows` of the log, without the weights; own_effect: [element + 1]."""
        log = self.log.take(rows)
        log = log.take(np.argsort(log.product, kind="stable"))
        sums = UnitSums(own_effect)
        for start in range(0, len(log), self._chunk_rows):
            part = log.take(slice(start, start + self._chunk_rows))
            rate = torch.sigmoid(torch.from_numpy(np.float32(appeal))[part.group] + self.uplift_of(part)).numpy()
            weight = part.trials * rate * (1 - rate)
            yield from sums.add(part.product, part.combination, np.zeros((len(part), 0)), weight)
        yield from sums.rest()

    def _centred_features(
        self, log: EncodedLog, base: NDArray[np.float32], start: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
        """Centred features [rows, num_weights], binomial weights [rows] and products [rows] of one sorted chunk."""
        stop = min(start + CURVATURE_CHUNK_ROWS, len(log))
        rows = torch.from_numpy(log.combination[start:stop])
        group = log.group[start:stop]
        context = self._group_context[torch.from_numpy(group).long()]
        latents = self._slot_latents(rows.numpy())
        empty = (rows == self._empty_row) if self._optional else None
        logit = torch.from_numpy(base[group]) + self._value(latents, None if empty is None else empty.float(), context)
        rate = torch.sigmoid(self._with_element_effects(logit, rows)).numpy()
        features = self.layout.features(
            [latent.numpy() for latent in latents],
            None if empty is None else empty.numpy(),
            self._contexts[context].numpy(),
        )
        unique, inverse = np.unique(group, return_inverse=True)
        product = self.log.group_product[unique]
        pool = [latent.numpy() for latent in self._pool_latents(torch.from_numpy(product).long())]
        centre = self.layout.features(
            pool,
            self._pool_empty.numpy()[product] if self._optional else None,
            self.log.contexts[self.log.group_context[unique]],
        )
        features -= centre[inverse]
        return features, log.trials[start:stop] * rate * (1 - rate), product[inverse]


class _Spent:
    """Takes what units spend out of `total` [weight, weight], in place and some thousand rows at a time."""

    def __init__(self, total: NDArray[np.float64], product_precision: float | None, element_precision: Any) -> None:
        self._total, self._priors = total, (product_precision or 0.0, element_precision)
        self._rows: list[NDArray[np.float64]] = []

    def take_out(self, units: Iterator[Units], last: bool = False) -> None:
        self._rows.extend(each.spent(*self._priors) for each in units)
        if self._rows and (last or sum(len(rows) for rows in self._rows) >= CURVATURE_CHUNK_ROWS):
            lost = np.concatenate(self._rows, dtype=np.float32)  # as exact as the total, whose features are
            self._total -= lost.T @ lost
            self._rows = []


class _GradientSums:
    """Accumulates derivatives by slot; `gradient` sums them into derivatives by weight."""

    def __init__(self, layout: TermLayout, num_contexts: int) -> None:
        self.layout = layout
        ranks = [layout.own_rank[c] for c in layout.slot_component]
        self._by_context = [torch.zeros(num_contexts, rank) for rank in ranks]
        self._empty = torch.zeros(layout.num_slots)
        self._bilinear = {
            (i, j): torch.zeros(layout.pair_rank[layout.slot_component[i]], layout.pair_rank[layout.slot_component[j]])
            for i, j in layout.slot_pairs
        }

    def add(self, latents: list[Tensor], empty: Tensor | None, context: Tensor, residual: Tensor) -> None:
        for slot, latent in enumerate(latents):
            weighted = latent * residual[:, None]
            self._by_context[slot].index_add_(0, context, weighted)
            if self.layout.pair:
                for earlier in range(slot):
                    weights = self._bilinear[earlier, slot]
                    weights.addmm_(latents[earlier][:, : weights.shape[0]].T, weighted[:, : weights.shape[1]])
        if empty is not None:
            self._empty += residual @ empty

    def gradient(self, contexts: Tensor) -> NDArray[np.float64]:
        query = [torch.cat([part.sum(0)[None], contexts.T @ part]).numpy() for part in self._by_context]
        bilinear = {pair: part.numpy() for pair, part in self._bilinear.items()}
        return self.layout.gather(query, self._empty.numpy(), bilinear)
