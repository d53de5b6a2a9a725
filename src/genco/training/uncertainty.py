"""The uncertainty penalty of stage 1: a multiple of the posterior standard deviation of the uplift.

The posterior covariance is replaced by its leading directions (those that move the uplift of random combinations most),
so a batch of combinations costs one thin matrix product.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genco.models.generator import gather_chosen
from genco.runtime.reward_model import BoundRewardModel
from genco.training.generator_loop import ProposalTables
from genco.training.stage_two import StageTwo

NUM_DIRECTIONS = 32


def uncertainty_penalty(
    bound: BoundRewardModel,
    tables: ProposalTables,
    products: NDArray[np.int64],
    weight: float,
    stage_two: StageTwo,
) -> Callable[[Tensor, Tensor, list[Tensor]], Tensor] | None:
    """A function (product, context, choices) -> end reward [request, group] in the network's units, or None at weight 0.

    The attention residual, where the model has one, is part of the end reward too.
    """
    residual = bound.model.residual
    if weight == 0 and residual is None:
        return None
    factor = torch.from_numpy(_leading_factor(np.asarray(bound.model.covariance, dtype=np.float64)))
    variance = _element_variance(bound, tables, products)
    layout = bound.model.layout

    def end_reward(product: Tensor, context: Tensor, choices: list[Tensor]) -> Tensor:
        group = choices[0].shape[1]
        latents = [gather_chosen(tables.latents[product, c], choice).flatten(0, 1) for c, choice in enumerate(choices)]
        contexts = context[:, None].expand(-1, group, -1).flatten(0, 1).numpy()
        total = torch.zeros(len(product), group)
        if weight > 0 and factor.shape[1]:
            features = torch.from_numpy(layout.features([z.numpy() for z in latents], None, contexts))
            spread = (features @ factor).square().sum(1).view(-1, group)
            hidden = [variance[product, c].gather(1, choice) for c, choice in enumerate(choices)]
            spread = spread + torch.stack(hidden).sum(0)
            total = total - weight * spread.sqrt() / tables.scale
        if residual is not None:
            present = np.ones((len(latents[0]), len(latents)), dtype=bool)
            stacked = np.stack([z.numpy() for z in latents], axis=1)
            parts = residual(stacked, present, contexts).sum(axis=1)
            total = total + torch.from_numpy(parts).view(-1, group) / tables.scale
        return total

    return end_reward


def _leading_factor(covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    if not len(covariance):
        return np.zeros((0, 0), dtype=np.float32)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    values, vectors = values[::-1][:NUM_DIRECTIONS], vectors[:, ::-1][:, :NUM_DIRECTIONS]
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=np.float32)


def _element_variance(bound: BoundRewardModel, tables: ProposalTables, products: NDArray[np.int64]) -> Tensor:
    """Variance of element effects [product, slot, candidate]."""
    found = np.zeros(tuple(tables.mask.shape), dtype=np.float32)
    for row, product in enumerate(products):
        for slot in range(found.shape[1]):
            rows = bound.catalogue.candidates(int(product), slot)
            keep = min(len(rows), found.shape[2])
            found[row, slot, :keep] = bound.element_var[rows[:keep]] * (rows[:keep] >= 0)
    return torch.from_numpy(found)
