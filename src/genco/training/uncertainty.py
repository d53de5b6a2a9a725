"""The uncertainty penalty of stage 1: a multiple of the posterior standard deviation of the uplift.

The posterior covariance is replaced by a few random directions that have it on average, so a batch of combinations
costs one thin matrix product and the variance is off by some ten per cent either way. Its leading directions would not
do: on the simulated logs 32 of them hold 1 to 5% of the variance of an uplift.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genco.data.catalogue import EMPTY
from genco.models.generator import gather_chosen
from genco.rng import stream
from genco.runtime.reward_model import BoundRewardModel
from genco.training.generator_loop import ProposalTables

NUM_DIRECTIONS = 64
Floats = NDArray[np.float32]
EndReward = Callable[[Tensor, Tensor, list[Tensor]], Tensor]


def uncertainty_penalty(
    bound: BoundRewardModel,
    tables: ProposalTables,
    products: NDArray[np.int64],
    weight: float,
) -> EndReward | None:
    """A function (product, context, choices) -> end reward [request, group] in the network's units.

    None where there is nothing to add: weight 0 and no attention residual, which is part of the end reward too.
    products: catalogue row of each row of `tables`.
    """
    residual = bound.model.residual
    if weight == 0 and residual is None:
        return None
    factor = torch.from_numpy(_factor(np.asarray(bound.model.covariance, dtype=np.float64)))
    hidden = torch.from_numpy(np.append(bound.element_var[:-1], np.float32(0.0)))
    mean, empty_share = (part[products] for part in bound.references[:2])
    layout = bound.model.layout
    slots = range(layout.num_slots)

    def spread(product: Tensor, context: Tensor, choices: list[Tensor], latents: list[Floats], rows: Tensor) -> Tensor:
        """Posterior standard deviation [request, group] of the uplift."""
        group, at = choices[0].shape[1], product.numpy()
        average = [mean[at, c] for c in slots]
        shown = [latent + np.repeat(average[c], group, axis=0) for c, latent in enumerate(latents)]
        is_empty = (rows == EMPTY).flatten(0, 1).numpy()
        contexts = context.repeat_interleave(group, 0).numpy()
        features = torch.from_numpy(layout.features(shown, is_empty, contexts)) @ factor
        centre = torch.from_numpy(layout.features(average, empty_share[at], context.numpy())) @ factor
        variance = (features.view(len(product), group, -1) - centre[:, None]).square().sum(2)
        return (variance + hidden[rows].sum(2)).sqrt()

    def end_reward(product: Tensor, context: Tensor, choices: list[Tensor]) -> Tensor:
        group = choices[0].shape[1]
        latents = [gather_chosen(tables.latents[product, c], choices[c]).flatten(0, 1).numpy() for c in slots]
        rows = torch.stack([tables.rows[product, c].gather(1, choices[c]) for c in slots], dim=2)
        total = torch.zeros(len(product), group)
        if weight > 0:
            total = total - weight * spread(product, context, choices, latents, rows) / tables.scale
        if residual is not None:
            present = (rows != EMPTY).flatten(0, 1).numpy()
            stacked = np.where(present[..., None], np.stack(latents, axis=1), np.float32(0.0))
            parts = residual(stacked, present, context.repeat_interleave(group, 0).numpy()).sum(axis=1)
            total = total + torch.from_numpy(parts).view(-1, group) / tables.scale
        return total

    return end_reward


def _factor(covariance: NDArray[np.float64]) -> Floats:
    """Directions [weight, direction] whose outer products sum to `covariance`: exactly where few, else on average."""
    if not len(covariance):
        return np.zeros((0, 0), dtype=np.float32)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    if len(values) > NUM_DIRECTIONS:
        signs = stream(0, "uncertainty directions").choice([-1.0, 1.0], size=(len(values), NUM_DIRECTIONS))
        root = root @ signs / np.sqrt(NUM_DIRECTIONS)
    return np.asarray(root, dtype=np.float32)
