"""Exact additive attribution of a combination to its elements, split into own and interaction, with intervals.

    attribution_c = own_c + 1/2 sum_c' pair_cc' + residual_c

after purification over the product's reference pool, so that the values add up to the uplift. For the additive terms it
is the Shapley value with the average legal element as baseline. All of it is linear in the weights, so its variance is
that of the posterior, plus what content does not tell: the element's own effect and, where content is noisy, its
latents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.runtime.legal_space import LegalSpace
from genco.runtime.reward_model import BoundRewardModel

Floats = NDArray[np.float32]
Z_95 = 1.959964


@dataclass(frozen=True)
class Attribution:
    """Logits, each [batch, slot]: own, interaction, residual; total is their sum; deviation its posterior standard
    deviation."""

    own: Floats
    interaction: Floats
    residual: Floats
    deviation: Floats

    @property
    def total(self) -> Floats:
        return self.own + self.interaction + self.residual

    def interval(self, z: float = Z_95) -> tuple[Floats, Floats]:
        """Lower and upper ends [batch, slot] of the interval, 95% by default."""
        return self.total - z * self.deviation, self.total + z * self.deviation


def attribute(
    bound: BoundRewardModel,
    product: int,
    context: Floats,
    space: LegalSpace,
    positions: NDArray[np.int32],
    residual: Floats | None = None,
) -> Attribution:
    """Attribution of combinations `positions` [batch, slot] of one request."""
    layout, model = bound.model.layout, bound.model
    theta = np.asarray(model.theta, dtype=np.float64)
    rows = np.stack([space.candidates[c][positions[:, c]] for c in range(layout.num_slots)], axis=1)
    own = np.zeros(positions.shape, dtype=np.float32)
    interaction = np.zeros(positions.shape, dtype=np.float32)
    deviation = np.zeros(positions.shape, dtype=np.float32)
    noise = _content_variance(bound, product, context, rows)
    covariance = model.covariance
    for slot in range(layout.num_slots):
        own_part, pair_part = slot_features(bound, product, context, rows, slot)
        index = np.where(rows[:, slot] == EMPTY, len(bound.latents) - 1, rows[:, slot])
        effect = bound.element_mean[index] - bound.reference(product, slot)[2]
        own[:, slot] = own_part @ theta + effect
        interaction[:, slot] = pair_part @ theta
        both = own_part + pair_part
        variance = np.einsum("bi,bi->b", both @ covariance, both)
        deviation[:, slot] = np.sqrt(np.maximum(variance + bound.element_var[index] + noise[:, slot], 0.0))
    nothing = np.zeros(positions.shape, dtype=np.float32)
    return Attribution(own, interaction, nothing if residual is None else residual, deviation)


def slot_features(
    bound: BoundRewardModel, product: int, context: Floats, rows: NDArray[np.int32], slot: int
) -> tuple[Floats, Floats]:
    """Features [batch, weight] whose products with the weights are the slot's own effect and its half of the pairs."""
    layout = bound.model.layout
    batch = len(rows)
    index = np.where(rows == EMPTY, len(bound.latents) - 1, rows)
    reference = [bound.reference(product, c) for c in range(layout.num_slots)]
    centred = [bound.latents[index[:, c]] - reference[c][0] for c in range(layout.num_slots)]
    own = np.zeros((batch, layout.num_weights), dtype=np.float32)
    pair = np.zeros((batch, layout.num_weights), dtype=np.float32)
    component = layout.slot_component[slot]
    for block in layout.blocks:
        if block.kind == "pair" or component not in block.owners:
            continue
        part = own[:, block.start : block.stop].reshape(batch, *block.shape)
        if block.kind == "own":
            part += centred[slot][:, None, : block.shape[1]]
        elif block.kind == "context":
            part += context[None, :, None] * centred[slot][:, None, : block.shape[1]]
        else:
            part += ((rows[:, slot] == EMPTY) - np.float32(reference[slot][1]))[:, None, None]
    for other in range(layout.num_slots):
        if other == slot:
            continue
        i, j = min(slot, other), max(slot, other)
        pair_block = layout.pair_block(i, j)
        if pair_block is None:
            continue
        average = np.repeat(reference[other][0][None], batch, axis=0)
        left, right = (centred[slot], average) if slot < other else (average, centred[slot])
        own[:, pair_block.start : pair_block.stop] += layout.pair_features(left, right, i, j).reshape(batch, -1)
        halves = layout.pair_features(centred[i], centred[j], i, j).reshape(batch, -1) / 2
        pair[:, pair_block.start : pair_block.stop] += halves
    return own, pair


def _content_variance(bound: BoundRewardModel, product: int, context: Floats, rows: NDArray[np.int32]) -> Floats:
    """Variance [batch, slot] of the attribution from latents known only up to their posterior given content.

    To first order in the latent noise, own effects and half of every pair; the second-order term of two noisy latents
    is added. Where element effects are learned their spread already holds the own part, so it counts once.
    """
    layout, model = bound.model.layout, bound.model
    noise = [
        np.zeros(layout.own_rank[c], dtype=np.float32)
        if model.projections[layout.component_kind[c]].rank == 0
        else model.projections[layout.component_kind[c]].latent_noise
        for c in layout.slot_component
    ]
    variance = np.zeros(rows.shape, dtype=np.float32)
    if not any(part.any() for part in noise):
        return variance
    weights = model.effective
    use = np.concatenate([np.ones(1, dtype=np.float32), context])
    index = np.where(rows == EMPTY, len(bound.latents) - 1, rows)
    reference = [bound.reference(product, c)[0] for c in range(layout.num_slots)]
    centred = [bound.latents[index[:, c]] - reference[c] for c in range(layout.num_slots)]
    ranks = [layout.pair_rank[c] for c in layout.slot_component]
    shown = rows != EMPTY
    for slot in range(layout.num_slots):
        slope = np.repeat((use @ weights.query[slot])[None], len(rows), axis=0)
        if model.element_variance > 0:
            slope[:] = 0.0
        for other in range(layout.num_slots):
            if other == slot or (min(slot, other), max(slot, other)) not in weights.bilinear:
                continue
            matrix = weights.bilinear[min(slot, other), max(slot, other)]
            matrix = matrix if slot < other else matrix.T
            seen = centred[other][:, : ranks[other]] / 2 + reference[other][: ranks[other]]
            slope[:, : ranks[slot]] += seen @ matrix.T
            asked = centred[slot][:, : ranks[slot]] @ matrix / 2
            both = np.square(matrix) * noise[slot][: ranks[slot], None] * noise[other][None, : ranks[other]]
            unsure = np.square(asked) @ noise[other][: ranks[other]] + both.sum() / 4 * shown[:, slot]
            variance[:, slot] += unsure * shown[:, other]
        variance[:, slot] += np.square(slope) @ noise[slot] * shown[:, slot]
    return variance
