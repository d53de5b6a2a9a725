"""How surely learned directions read an element: their posterior, told as errors of what pair effects read.

Given the weights, the logit is linear in the directions too: of the latents z of a slot, a direction d reads z . d, and
the other slots pull at what it reads. So the directions have a Gaussian posterior (Laplace's approximation, the weights
held), and what they read of an element errs by z . (error of d). The mean square of that over the elements of pools is
kept as the noise of the latent, from where attribution carries it into its intervals. Errors of equal direction in many
elements are told apart from none of them: each interval is right for itself, differences between elements are not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.linalg as linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from genco.data.encoded_log import EncodedLog
from genco.models.additive import AdditiveModel, ContentTables
from genco.rng import stream
from genco.runtime.terms import EffectiveWeights, TermLayout

MAX_ROWS, MIN_ROWS, MAX_PRODUCTS, CHUNK_ROWS = 40_000, 4_000, 2e10, 4_096
Floats = NDArray[np.float32]


def reading_noise(
    model: AdditiveModel, tables: ContentTables, appeal: NDArray[np.floating], length: Mapping[int, Floats], seed: int
) -> dict[int, Floats]:
    """Variance [pair_rank] of what each learned direction reads of an element against its pool, by kind of content.

    appeal: [group] logits · length: by kind, as `PairDirections`; the prior precision of a direction of length l, in
    units of the latents, is rank * l**2.
    """
    found = {}
    for kind, lengths in length.items():
        rank = max(r for r, k in zip(model.layout.own_rank, model.layout.component_kind, strict=True) if k == kind)
        information = _information(model, tables, appeal, kind, rank, len(lengths), seed)
        prior = np.tile(rank * lengths.astype(np.float64) ** 2, rank)
        covariance = linalg.inv(information + np.diag(prior)).reshape(rank, len(lengths), rank, len(lengths))
        spread = _within_pools(model.layout, tables, kind, rank)
        found[kind] = np.einsum("ij,iaja->a", spread, covariance).astype(np.float32)
    return found


def _information(
    model: AdditiveModel,
    tables: ContentTables,
    appeal: NDArray[np.floating],
    kind: int,
    rank: int,
    num: int,
    seed: int,
) -> NDArray[np.float64]:
    """Fisher information [rank * num, rank * num] of the directions of `kind`, from a sample of rows, scaled up."""
    size = min(len(model.log), max(min(MAX_ROWS, int(MAX_PRODUCTS / (rank * num) ** 2)), MIN_ROWS))
    rows = np.sort(stream(seed, "reading noise", kind).choice(len(model.log), size, replace=False))
    log, logits = model.log.take(rows), torch.from_numpy(np.float32(appeal))
    total = torch.zeros((rank * num, rank * num), dtype=torch.float64)
    for start in range(0, size, CHUNK_ROWS):
        part = log.take(slice(start, start + CHUNK_ROWS))
        rate = torch.sigmoid(logits[torch.from_numpy(part.group).long()] + model.uplift_of(part))
        weight = torch.from_numpy(part.trials) * rate * (1 - rate)
        slopes = _slopes(model.layout, model.weights, tables, part, kind, rank, num)
        scaled = (slopes.flatten(1) * weight.sqrt()[:, None]).double()
        total += scaled.T @ scaled
    return np.asarray(total.numpy() * (len(model.log) / size))


def _slopes(
    layout: TermLayout,
    weights: EffectiveWeights,
    tables: ContentTables,
    log: EncodedLog,
    kind: int,
    rank: int,
    num: int,
) -> Tensor:
    """Derivative [row, rank, num] of the logit by the directions of `kind`."""
    latents = torch.from_numpy(tables.latents)[torch.from_numpy(log.combination).long()]
    slopes = torch.zeros(len(log), rank, num)
    for slot, component in enumerate(layout.slot_component):
        if layout.component_kind[component] != kind:
            continue
        pull = torch.zeros(len(log), num)
        for (i, j), bilinear in weights.bilinear.items():
            if slot in (i, j):
                matrix = torch.from_numpy(bilinear.T if slot == i else bilinear)
                pull += latents[:, j if slot == i else i, : len(matrix)] @ matrix
        slopes += latents[:, slot, :rank, None] * pull[:, None, :]
    return slopes


def _within_pools(layout: TermLayout, tables: ContentTables, kind: int, rank: int) -> NDArray[np.float64]:
    """Mean product [rank, rank] of latents, each less its pool's mean, over the pools of slots of `kind`."""
    kinds = np.array([layout.component_kind[component] for component in layout.slot_component])
    members = kinds[tables.pool_owner % layout.num_slots] == kind
    mean = tables.pool_mean.reshape(-1, tables.pool_mean.shape[-1])[tables.pool_owner[members], :rank]
    apart = tables.latents[tables.pool_elements[members], :rank].astype(np.float64) - mean
    return np.asarray(apart.T @ apart / max(len(apart), 1))
