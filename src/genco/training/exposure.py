"""Exposure control: what the logging policy knew must not bend what is learned of content.

A policy that knows which elements are good shows them more. Weighted by exposure, an element's visible and invisible
merits are then negatively correlated, and the weights of content come out too small. So the log share of every
element is fitted beside its content (a control function; Heckman 1979, Wooldridge 2015). Afterwards what content
predicts of the share goes back to the content weights, for elements never logged have it too, and the rest becomes
the element's own effect. Under uniform logging the share carries nothing and its weight is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genco.data.encoded_log import EncodedLog
from genco.models.additive import ContentTables
from genco.runtime.terms import Block, TermLayout
from genco.training.element_effects import pool_average
from genco.training.reward_model_loop import FitResult

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Exposure:
    """log_share: [element + 1] log of impressions over the pool's mean, centred per pool, 0 where never logged ·
    component: [element + 1], -1 = none · controlled: whether each component's share is fitted [component]."""

    log_share: NDArray[np.float64]
    component: NDArray[np.int64]
    controlled: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        log: EncodedLog,
        tables: ContentTables,
        layout: TermLayout,
        enabled: bool = True,
        identities: frozenset[str] = frozenset(),
    ) -> Exposure:
        """Measure exposure in `log`. Components that are their own content, or have none, are not controlled."""
        num, num_slots = log.num_elements + 1, layout.num_slots
        shown = np.zeros(num)
        for slot in range(num_slots):
            shown += np.bincount(log.combination[:, slot], weights=log.trials, minlength=num)
        share = np.clip(np.log((shown + 0.5) / (pool_average(tables, shown) + 0.5)), -3.0, 3.0)
        component = np.full(num, -1)
        component[tables.pool_elements] = np.array(layout.slot_component)[tables.pool_owner % num_slots]
        component[-1] = -1
        share[(shown == 0) | (component < 0)] = 0.0
        share = np.where((shown > 0) & (component >= 0), share - pool_average(tables, share), 0.0)
        controlled = tuple(
            enabled and layout.own and rank > 0 and name not in identities
            for name, rank in zip(layout.component_names, layout.own_rank, strict=True)
        )
        return cls(share, component, controlled)

    def extend(self, layout: TermLayout, tables: ContentTables) -> tuple[TermLayout, ContentTables]:
        """Layout and tables with the share as one more latent of every controlled component."""
        if not any(self.controlled):
            return layout, tables
        ranks = tuple(r + on for r, on in zip(layout.own_rank, self.controlled, strict=True))
        width = max(*ranks, tables.latents.shape[1])
        latents = np.zeros((len(tables.latents), width), dtype=np.float32)
        latents[:, : tables.latents.shape[1]] = tables.latents
        mean = np.zeros((*tables.pool_mean.shape[:2], width), dtype=np.float32)
        mean[..., : tables.pool_mean.shape[2]] = tables.pool_mean
        shares = tables.pool_mean_of(self.log_share)
        for component, on in enumerate(self.controlled):
            if on:
                rows = self.component == component
                latents[rows, layout.own_rank[component]] = self.log_share[rows]
        for slot, component in enumerate(layout.slot_component):
            if self.controlled[component]:
                mean[:, slot, layout.own_rank[component]] = shares[:, slot]
        return replace(layout, own_rank=ranks), replace(tables, latents=latents, pool_mean=mean)

    def extend_spectrum(self, spectrum: Sequence[Floats]) -> list[Floats]:
        """Relative content variances with 1 for the share."""
        return [
            np.append(values, np.float32(1.0)).astype(np.float32) if on else values
            for values, on in zip(spectrum, self.controlled, strict=True)
        ]

    def settle(self, result: FitResult, layout: TermLayout, tables: ContentTables) -> FitResult:
        """The fit in terms of `layout`: what content predicts of the share in the content weights, the rest in
        element effects."""
        if not any(self.controlled):
            return result
        wide_layout, _ = self.extend(layout, tables)
        wide, state = wide_layout.blocks, result.state
        keep, theta = [], []
        effect = state.element_effect.copy()
        slopes = {c: self._slope(c, layout.own_rank[c], tables) for c, on in enumerate(self.controlled) if on}
        for block, target in zip(wide, layout.blocks, strict=True):
            values = state.theta[block.start : block.stop].reshape(block.shape)
            index = np.arange(block.start, block.stop).reshape(block.shape)
            if block.shape != target.shape:
                values, index, moved = self._settle_block(block, target, values, index, slopes)
                if block.kind == "own":
                    effect += self._unexplained(block.owners[0], moved, slopes[block.owners[0]], tables)
            theta.append(values.ravel())
            keep.append(index.ravel())
        chosen = np.concatenate(keep) if keep else np.zeros(0, dtype=np.int64)
        posterior = replace(
            result.posterior,
            mean=np.concatenate(theta) if theta else np.zeros(0),
            covariance=result.posterior.covariance[np.ix_(chosen, chosen)],
            prior_variance=result.posterior.prior_variance[chosen],
        )
        return replace(result, state=replace(state, theta=posterior.mean, element_effect=effect), posterior=posterior)

    def _settle_block(
        self,
        block: Block,
        target: Block,
        values: NDArray[np.float64],
        index: NDArray[np.int64],
        slopes: dict[int, NDArray[np.float64]],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
        rank = target.shape[1]
        slope = np.mean([slopes[owner] for owner in block.owners], axis=0)
        share_weight = values[:, rank]
        return values[:, :rank] + share_weight[:, None] * slope[None], index[:, :rank], float(share_weight[0])

    def _slope(self, component: int, rank: int, tables: ContentTables) -> NDArray[np.float64]:
        """Regression of the share on centred content over logged elements [rank]."""
        rows = np.flatnonzero((self.component == component) & (self.log_share != 0))
        if len(rows) <= 2 * rank:
            return np.zeros(rank)
        z = tables.latents[rows, :rank].astype(np.float64)
        z = z - np.stack(
            [pool_average(tables, tables.latents[:, k].astype(np.float64))[rows] for k in range(rank)], axis=1
        )
        return np.asarray(np.linalg.solve(z.T @ z + np.eye(rank), z.T @ self.log_share[rows]), dtype=np.float64)

    def _unexplained(
        self, component: int, weight: float, slope: NDArray[np.float64], tables: ContentTables
    ) -> NDArray[np.float64]:
        rows = np.flatnonzero((self.component == component) & (self.log_share != 0))
        effect = np.zeros(len(self.log_share))
        effect[rows] = weight * (self.log_share[rows] - tables.latents[rows, : len(slope)] @ slope)
        return effect
