"""What an element adds on average: its attribution over the average context and a uniform card around it.

Over the reference pool every interaction averages to zero, and the own part is linear in the context. So the average
attribution is the own part at the average context, and its variance comes from the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.runtime.attribution import Z_95, slot_features
from genco.runtime.reward_model import BoundRewardModel

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Contributions:
    """Logits [element]: average attribution and its posterior standard deviation; 0 = the average of the pool."""

    mean: Floats
    deviation: Floats

    @property
    def low(self) -> Floats:
        """Lower end of the 95% interval."""
        return self.mean - Z_95 * self.deviation

    @property
    def high(self) -> Floats:
        """Upper end of the 95% interval."""
        return self.mean + Z_95 * self.deviation


def contributions(
    bound: BoundRewardModel, product: int, slots: tuple[int, ...], context: NDArray[np.float32], elements: Rows
) -> Contributions:
    """Contributions of `elements` [element] of one component, averaged over its `slots` in `context` [num_context]."""
    if not len(elements):
        return Contributions(np.zeros(0), np.zeros(0))
    features = np.zeros((len(elements), bound.model.layout.num_weights))
    noise = np.zeros(len(elements))
    baseline = 0.0
    for slot in slots:
        rows = np.full((len(elements), bound.model.layout.num_slots), EMPTY, dtype=np.int32)
        rows[:, slot] = elements
        features += slot_features(bound, product, context, rows, slot)[0] / len(slots)
        noise += (elements != EMPTY) * _content_variance(bound, product, context, slot) / len(slots)
        baseline += bound.reference(product, slot)[2] / len(slots)
    used = np.flatnonzero(features.any(axis=0))
    theta = np.asarray(bound.model.theta, dtype=np.float64)[used]
    covariance = np.asarray(bound.model.covariance, dtype=np.float64)[np.ix_(used, used)]
    features = features[:, used]
    variance = np.einsum("bi,bi->b", features @ covariance, features)
    mean = features @ theta + bound.element_mean[elements] - baseline
    return Contributions(mean, np.sqrt(np.maximum(variance + bound.element_var[elements] + noise, 0.0)))


def _content_variance(bound: BoundRewardModel, product: int, context: NDArray[np.float32], slot: int) -> float:
    """Variance from a latent known only up to its posterior given content.

    Where element effects are learned, their spread already holds the own part, so only what acts through the average of
    the other slots is added: the convention of `runtime.attribution`.
    """
    layout, model = bound.model.layout, bound.model
    component = layout.slot_component[slot]
    projection = model.projections[layout.component_kind[component]]
    if projection.rank == 0 or not projection.latent_noise.any():
        return 0.0
    use = np.concatenate([np.ones(1, dtype=np.float32), context])
    slope = np.zeros(layout.own_rank[component])
    if model.element_variance == 0:
        slope += use @ model.effective.query[slot]
    for (i, j), matrix in model.effective.bilinear.items():
        if slot in (i, j):
            other = j if slot == i else i
            average = bound.reference(product, other)[0]
            pull = matrix @ average[: matrix.shape[1]] if slot == i else average[: matrix.shape[0]] @ matrix
            slope[: len(pull)] += pull
    return float(np.square(slope) @ projection.latent_noise[: len(slope)])
