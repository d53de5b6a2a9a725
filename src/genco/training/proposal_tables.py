"""The reward model over every product's candidates as padded tensors: what stage 1 is trained against."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genco.data.catalogue import EMPTY
from genco.models.generator import GeneratorConfig
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace
from genco.runtime.product_encoding import candidate_features, centred_latents, choose_landmarks
from genco.runtime.refine import score
from genco.runtime.reward_model import BoundRewardModel
from genco.training.generator_loop import MaskOf, ProposalTables


def proposal_tables(
    bound: BoundRewardModel,
    spaces: dict[int, LegalSpace],
    contexts: NDArray[np.float32],
    context_share: NDArray[np.float64],
    config: GeneratorConfig,
    seed: int,
    scale: float | None = None,
) -> tuple[ProposalTables, NDArray[np.int64]]:
    """Tables over the products of `spaces`; the second value maps rows of the tables to product rows."""
    layout, zero = bound.model.layout, np.zeros(bound.model.layout.num_context, dtype=np.float32)
    products = np.array(sorted(spaces), dtype=np.int64)
    raw = {int(p): bound.tables(int(p), zero, spaces[int(p)].candidates) for p in products}
    if scale is None:
        scale = uplift_scale(bound, spaces, contexts, context_share, seed)
    num_slots, rank = layout.num_slots, bound.latents.shape[1]
    widest = max(len(rows) for space in spaces.values() for rows in space.candidates)
    marks = min(widest, 16)
    latents = np.zeros((len(products), num_slots, widest, rank), dtype=np.float32)
    features = np.zeros((len(products), num_slots, widest, min(rank, config.max_latents) + 1), dtype=np.float32)
    own = np.zeros((len(products), num_slots, widest), dtype=np.float32)
    mask = np.zeros((len(products), num_slots, widest), dtype=bool)
    rows = np.full((len(products), num_slots, widest), EMPTY, dtype=np.int64)
    landmarks = np.zeros((len(products), num_slots, marks), dtype=np.int64)
    for row, product in enumerate(products):
        tables, space = raw[int(product)], spaces[int(product)]
        for slot, latent in enumerate(centred_latents(bound, int(product), space)):
            num = len(latent)
            latents[row, slot, :num] = latent
            own[row, slot, :num] = tables.own[slot]
            mask[row, slot, :num] = True
            rows[row, slot, :num] = space.candidates[slot]
            features[row, slot, :num] = candidate_features(latent, tables.own[slot] / scale, config.max_latents)
            chosen = choose_landmarks(tables.factors[slot], tables.own[slot] / scale)
            landmarks[row, slot] = np.resize(chosen, marks)
    weights = bound.model.effective
    ranks = [layout.own_rank[c] for c in layout.slot_component]
    query = tuple(_padded(w[1:], r, rank) for w, r in zip(weights.query, ranks, strict=True))
    bilinear = {pair: torch.from_numpy(w) for pair, w in weights.bilinear.items()}
    found = ProposalTables(
        features=torch.from_numpy(features),
        mask=torch.from_numpy(mask),
        rows=torch.from_numpy(rows),
        own=torch.from_numpy(own),
        latents=torch.from_numpy(latents),
        context_query=query,
        bilinear=bilinear,
        landmarks=torch.from_numpy(landmarks),
        scale=scale,
    )
    return found, products


def _padded(query: NDArray[np.float32], rank: int, width: int) -> Tensor:
    wide = np.zeros((len(query), width), dtype=np.float32)
    wide[:, :rank] = query
    return torch.from_numpy(wide)


def uplift_scale(
    bound: BoundRewardModel,
    spaces: dict[int, LegalSpace],
    contexts: NDArray[np.float32],
    context_share: NDArray[np.float64],
    seed: int,
    num_requests: int = 200,
    group: int = 32,
) -> float:
    """Standard deviation of the uplift over random legal combinations: the unit of stage 1's rewards."""
    rng = stream(seed, "uplift scale")
    products = rng.choice(sorted(spaces), num_requests)
    values = []
    for product, context in zip(products, rng.choice(len(contexts), num_requests, p=context_share), strict=True):
        space = spaces[int(product)]
        tables = bound.tables(int(product), contexts[context], space.candidates)
        values.append(score(tables, space.sample_uniform(rng, group)).std())
    return max(float(np.sqrt(np.mean(np.square(values)))), 1e-3)


def rule_masks(spaces: dict[int, LegalSpace], products: NDArray[np.int64], widest: int) -> MaskOf | None:
    """Exact look-ahead masks for training batches, or None when no product carries a rule between slots."""
    constrained = {row for row, p in enumerate(products) if spaces[int(p)].is_constrained}
    if not constrained:
        return None

    def mask_of(slot: int, product: Tensor, choices: list[Tensor]) -> Tensor | None:
        group = choices[0].shape[1] if choices else 1
        legal = np.ones((len(product), group, widest), dtype=bool)
        prefix = np.stack([c.numpy() for c in choices], axis=2).astype(np.int32) if choices else None
        for i, row in enumerate(product.tolist()):
            if row in constrained:
                space = spaces[int(products[row])]
                at = np.zeros((1, 0), dtype=np.int32) if prefix is None else prefix[i]
                mask = space.mask(at)
                legal[i, :, : mask.shape[1]] = mask
        return torch.from_numpy(legal)

    return mask_of
