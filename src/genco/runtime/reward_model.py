"""The reward model as frozen arrays: what serving, generation and evaluation read. No torch, no files.

    logit(x, y) = appeal(u, p) + uplift(x, y)
    uplift      = own + pair + element effects (+ an optional attention residual), centred over the reference pool

A `RewardModel` knows ids; `bind` joins it with a catalogue and gives a `BoundRewardModel` that works on rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY, Catalogue
from genco.data.same_content import content_keys
from genco.runtime.projection import KindProjection
from genco.runtime.refine import AdditiveTables
from genco.runtime.terms import EffectiveWeights, TermLayout

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]


class Residual(Protocol):
    """What is added to the additive uplift: a function of latents and context, zero on average."""

    def __call__(self, latents: Floats, present: NDArray[np.bool_], context: Floats) -> Floats:
        """Residual of each slot [batch, slot]. latents: [batch, slot, rank] · present: [batch, slot] · context:
        [batch, num_context]."""
        ...


@dataclass(frozen=True)
class Appeal:
    """The product's own appeal, blind to the creative: linear in product and context, plus a shrunk product effect.

    product_weights: [1 + product feature], intercept first · context_weights: [num_context] ·
    product_effect: by product id, the whole logit of a logged product · effect_variance: its spread around the linear
    part.
    """

    product_weights: Floats
    context_weights: Floats
    product_effect: dict[str, float]
    effect_variance: float


@dataclass(frozen=True)
class RewardModel:
    """Weights, posterior and encodings of stage 2.

    theta: [weight] · covariance: [weight, weight] · element_effect: id -> (mean, variance) · shared_effect: the same
    for an element that the run never saw but whose content it did, by `content_keys`; any other has mean 0 and
    variance `element_variance` · reference_pool: product id -> (mean latent [slot, rank], share empty [slot], mean
    element effect [slot]), frozen with the run · calibration: (slope, intercept) on the uplift and on the logit.
    """

    layout: TermLayout
    projections: tuple[KindProjection, ...]
    theta: Floats
    covariance: Floats
    appeal: Appeal
    element_effect: dict[str, tuple[float, float]] = field(default_factory=dict)
    element_variance: float = 0.0
    shared_effect: dict[str, tuple[float, float]] = field(default_factory=dict)
    reference_pool: dict[str, tuple[Floats, Floats, Floats]] = field(default_factory=dict)
    calibration: tuple[float, float] = (1.0, 0.0)
    residual: Residual | None = None
    block_variance: dict[str, float] = field(default_factory=dict)

    @cached_property
    def effective(self) -> EffectiveWeights:
        return self.layout.effective(self.theta)

    @cached_property
    def rank(self) -> int:
        return max(self.layout.own_rank, default=0)

    def latents(self, catalogue: Catalogue, content: Floats, kinds: Rows) -> Floats:
        """Latents [element + 1, rank] of every element of the catalogue, the last row zero for the empty element.

        content: [element, feature] · kinds: [element] index of the projection, -1 = an element no slot shows.
        """
        return project_content(self.projections, content, kinds, self.rank)

    def bind(self, catalogue: Catalogue, content: Floats, kinds: Rows, product_features: Floats) -> BoundRewardModel:
        """Join with a catalogue. Elements and products the run never saw fall back on content and features."""
        latents = self.latents(catalogue, content, kinds)
        effect = self.effects(catalogue)
        linear = self.appeal.product_weights[0] + product_features @ self.appeal.product_weights[1:]
        known = self.appeal.product_effect
        base = np.array(
            [known.get(p, value) for p, value in zip(catalogue.products["product_id"], linear, strict=True)],
            dtype=np.float32,
        )
        return BoundRewardModel(self, catalogue, latents, effect[:, 0], effect[:, 1], base)

    def effects(self, catalogue: Catalogue) -> Floats:
        """Mean and variance [element + 1, 2] of what each element adds beyond its content, zeros in the last row: its
        own where the run has seen it, else what equal texts share."""
        effect = np.zeros((catalogue.num_elements + 1, 2), dtype=np.float32)
        effect[:-1, 1] = self.element_variance
        if self.shared_effect:
            for at, key in enumerate(content_keys(catalogue)):
                effect[at] = self.shared_effect.get(key or "", (0.0, self.element_variance))
        for row, element_id in enumerate(catalogue.elements["element_id"]):
            own = self.element_effect.get(element_id)
            if own is not None:
                effect[row] = own
        return effect


def project_content(projections: tuple[KindProjection, ...], content: Floats, kinds: Rows, rank: int) -> Floats:
    """Latents [element + 1, rank], zero-padded on the right and in the last row."""
    latents = np.zeros((len(content) + 1, rank), dtype=np.float32)
    for kind, projection in enumerate(projections):
        rows = np.flatnonzero(kinds == kind)
        if len(rows) and projection.rank:
            latents[rows, : projection.rank] = (content[rows] - projection.mean) @ projection.loading
    return latents


def reference_pools(catalogue: Catalogue, latents: Floats) -> tuple[Floats, Floats, Rows, Rows]:
    """Mean latent [product, slot, rank] and share of empty [product, slot] of every pool, and the pools flattened.

    The last two arrays list (element row, product * num_slots + slot) of every pool member, the empty one included.
    """
    members, owners = [], []
    for product in range(catalogue.num_products):
        for slot in range(catalogue.num_slots):
            candidates = catalogue.candidates(product, slot)
            members.append(np.where(candidates == EMPTY, len(latents) - 1, candidates))
            owners.append(np.full(len(candidates), product * catalogue.num_slots + slot))
    elements = np.concatenate(members).astype(np.int32) if members else np.zeros(0, np.int32)
    owner = np.concatenate(owners).astype(np.int32) if owners else np.zeros(0, np.int32)
    cells = catalogue.num_products * catalogue.num_slots
    size = np.maximum(np.bincount(owner, minlength=cells), 1)
    mean = (
        np.stack(
            [np.bincount(owner, weights=latents[elements, k], minlength=cells) / size for k in range(latents.shape[1])],
            axis=1,
        )
        if latents.shape[1]
        else np.zeros((cells, 0))
    )
    empty = np.bincount(owner, weights=elements == len(latents) - 1, minlength=cells) / size
    shape = (catalogue.num_products, catalogue.num_slots)
    return mean.reshape(*shape, -1).astype(np.float32), empty.reshape(shape).astype(np.float32), elements, owner


@dataclass(frozen=True)
class BoundRewardModel:
    """A reward model on the rows of one catalogue.

    latents: [element + 1, rank] · element_mean, element_var: [element + 1] · appeal_base: [product] logit before
    context.
    """

    model: RewardModel
    catalogue: Catalogue
    latents: Floats
    element_mean: Floats
    element_var: Floats
    appeal_base: Floats

    def appeal(self, product: int | Rows, context: Floats) -> Floats:
        """Logit of the average creative of `product`. context: [num_context] or [batch, num_context]."""
        return np.asarray(self.appeal_base[product] + context @ self.model.appeal.context_weights, dtype=np.float32)

    def reference(self, product: int, slot: int) -> tuple[Floats, float, float]:
        """Mean latent [rank], share of empty and mean element effect of the slot's reference pool.

        A product of the run has the pool it had then, so that a catalogue edit changes no prediction but its own.
        """
        known = self.model.reference_pool.get(str(self.catalogue.products["product_id"][product]))
        if known is not None:
            return known[0][slot], float(known[1][slot]), float(known[2][slot])
        pool = self.catalogue.candidates(product, slot)
        if not len(pool):
            return np.zeros(self.latents.shape[1], dtype=np.float32), 0.0, 0.0
        rows = np.where(pool == EMPTY, len(self.latents) - 1, pool)
        return self.latents[rows].mean(axis=0), float((pool == EMPTY).mean()), float(self.element_mean[rows].mean())

    @cached_property
    def references(self) -> tuple[Floats, Floats, Floats]:
        """`reference` of every product and slot: means [product, slot, rank], shares of empty, mean element effects."""
        mean, empty, members, owners = reference_pools(self.catalogue, self.latents)
        size = np.maximum(np.bincount(owners, minlength=empty.size), 1)
        total = np.bincount(owners, weights=self.element_mean[members], minlength=empty.size)
        effect: Floats = (total / size).reshape(empty.shape).astype(np.float32)
        for product, product_id in enumerate(self.catalogue.products["product_id"]):
            known = self.model.reference_pool.get(product_id)
            if known is not None:
                mean[product], empty[product], effect[product] = known
        return mean, empty, effect

    def uplift(self, product: Rows, combination: Rows, context: Floats) -> Floats:
        """Uplift [batch] of arbitrary rows: product [batch], combination [batch, slot] element rows, context
        [batch, num_context]. The attention residual is included."""
        layout, weights = self.model.layout, self.model.effective
        mean, empty_share, effect = self.references
        index = np.where(combination == EMPTY, len(self.latents) - 1, combination)
        use = np.concatenate([np.ones((len(product), 1), dtype=np.float32), context], axis=1)
        total = np.zeros(len(product), dtype=np.float32)
        shown = [self.latents[index[:, slot]] for slot in range(layout.num_slots)]
        average = [mean[product, slot] for slot in range(layout.num_slots)]
        for slot, component in enumerate(layout.slot_component):
            rank = layout.own_rank[component]
            total += np.einsum("bi,bi->b", use @ weights.query[slot], (shown[slot] - average[slot])[:, :rank])
            total += self.element_mean[index[:, slot]] - effect[product, slot]
            total += weights.empty[slot] * ((combination[:, slot] == EMPTY) - empty_share[product, slot])
        for (i, j), bilinear in weights.bilinear.items():
            a, b = bilinear.shape
            for sign, side in ((1.0, shown), (-1.0, average)):
                total += sign * np.einsum("bi,bi->b", side[i][:, :a] @ bilinear, side[j][:, :b])
        if self.model.residual is not None:
            latents = np.stack([z - m for z, m in zip(shown, average, strict=True)], axis=1)
            present = combination != EMPTY
            latents = np.where(present[..., None], latents, np.float32(0.0))
            total += self.model.residual(latents, present, context).sum(axis=1)
        return total

    def tables(
        self,
        product: int,
        context: Floats,
        candidates: tuple[Rows, ...],
        weights: EffectiveWeights | None = None,
        with_elements: bool = True,
    ) -> AdditiveTables:
        """Centred own and pair scores of the candidates of `product` in `context` [num_context].

        Pair terms are purified (zero mean over the reference pool of either side), own effects carry what was moved.
        The sum over a combination is its uplift, without the attention residual. `weights` replaces the posterior mean;
        `with_elements` = False leaves the element effects out.
        """
        layout, weights = self.model.layout, weights or self.model.effective
        use = np.concatenate([np.ones(1, dtype=np.float32), context])
        means, own, factors = [], [], []
        for slot, component in enumerate(layout.slot_component):
            mean, empty_share, effect = self.reference(product, slot)
            rows = np.where(candidates[slot] == EMPTY, len(self.latents) - 1, candidates[slot])
            latent = self.latents[rows] - mean
            rank = layout.own_rank[component]
            values = latent[:, :rank] @ (use @ weights.query[slot])
            if with_elements:
                values += self.element_mean[rows] - effect
            values += weights.empty[slot] * ((candidates[slot] == EMPTY) - empty_share)
            own.append(np.asarray(values, dtype=np.float32))
            factors.append(np.ascontiguousarray(latent[:, : layout.pair_rank[component]]))
            means.append(mean[: layout.pair_rank[component]])
        for (i, j), bilinear in weights.bilinear.items():
            own[i] += factors[i] @ (bilinear @ means[j])
            own[j] += factors[j] @ (means[i] @ bilinear)
        return AdditiveTables(own=tuple(own), factors=tuple(factors), bilinear=dict(weights.bilinear))
