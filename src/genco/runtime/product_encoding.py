"""What is known of a product before any request: cached when its catalogue entry changes, free of context.

Cost is linear in the number of candidates: one small network pass per candidate, and tables against a fixed number
of landmarks per slot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.runtime.legal_space import LegalSpace
from genco.runtime.refine import AdditiveTables
from genco.runtime.reward_model import BoundRewardModel

Floats = NDArray[np.float32]
NUM_LANDMARKS = 16
SHORTLIST = 64


@dataclass(frozen=True)
class GeneratorWeights:
    """The trained network as arrays, plus what it needs to know of its training.

    arrays: by parameter name of `models.generator.CombinationGenerator` · scale: logits per unit of the network ·
    temperature, max_latents, autoregressive, credit: as configured.
    """

    arrays: dict[str, Floats]
    scale: float
    temperature: float
    max_latents: int
    autoregressive: bool = True
    credit: bool = True


@dataclass(frozen=True)
class ProductEncoding:
    """Per slot lists of arrays over candidates, in units of the network unless named otherwise.

    own: [candidate] context-free own effect · latents: [candidate, rank] for the context part · factors: [candidate,
    pair_rank] · keys, bias, chosen: the network's view · full_latents: [candidate, rank] what the residual reads ·
    landmarks: [landmark] candidate positions · ahead: (c, later) -> [candidate, landmark of later] pair terms ·
    between: (c, later) -> [landmark, landmark] pair terms.
    """

    product: int
    space: LegalSpace
    own: tuple[Floats, ...]
    latents: tuple[Floats, ...]
    factors: tuple[Floats, ...]
    context_query: tuple[Floats, ...]
    bilinear: dict[tuple[int, int], Floats]
    keys: tuple[Floats, ...]
    bias: tuple[Floats, ...]
    chosen: tuple[Floats, ...]
    summary: Floats
    full_latents: tuple[Floats, ...]
    landmarks: tuple[NDArray[np.int64], ...]
    ahead: dict[tuple[int, int], Floats]
    between: dict[tuple[int, int], Floats]
    scale: float

    def tables(self, context: Floats) -> AdditiveTables:
        """Scores of the candidates in `context` [num_context], in logits: the same as `BoundRewardModel.tables`."""
        own = tuple(
            self.scale * own + latents @ (context @ query)
            for own, latents, query in zip(self.own, self.latents, self.context_query, strict=True)
        )
        return AdditiveTables(own=own, factors=self.factors, bilinear=self.bilinear)


def encode_product(
    bound: BoundRewardModel, network: GeneratorWeights, product: int, space: LegalSpace
) -> ProductEncoding:
    """Encode the candidates of `space`. Costs about a millisecond for 4 slots of 10, and grows with candidates."""
    layout, scale = bound.model.layout, network.scale
    weights = bound.model.effective
    tables = bound.tables(product, np.zeros(layout.num_context, dtype=np.float32), space.candidates)
    latents = centred_latents(bound, product, space)
    own = tuple(np.asarray(values / scale, dtype=np.float32) for values in tables.own)
    features = [candidate_features(z, o, network.max_latents) for z, o in zip(latents, own, strict=True)]
    keys, bias, chosen, summary = _encode(network.arrays, features)
    landmarks = tuple(choose_landmarks(z, o) for z, o in zip(tables.factors, own, strict=True))
    ahead, between = {}, {}
    for (i, j), bilinear in tables.bilinear.items():
        asked = tables.factors[i] @ (bilinear / scale)
        ahead[i, j] = np.ascontiguousarray(asked @ tables.factors[j][landmarks[j]].T)
        between[i, j] = np.ascontiguousarray(ahead[i, j][landmarks[i]])
    rank = [layout.own_rank[c] for c in layout.slot_component]
    return ProductEncoding(
        product=product,
        space=space,
        own=own,
        latents=tuple(z[:, :r] for z, r in zip(latents, rank, strict=True)),
        factors=tuple(np.asfortranarray(part) for part in tables.factors),  # many are multiplied, few are read
        context_query=tuple(query[1:] for query in weights.query),
        bilinear=tables.bilinear,
        keys=tuple(np.asfortranarray(part) for part in keys),
        bias=bias,
        chosen=chosen,
        summary=summary,
        full_latents=latents,
        landmarks=landmarks,
        ahead=ahead,
        between=between,
        scale=scale,
    )


def centred_latents(bound: BoundRewardModel, product: int, space: LegalSpace) -> tuple[Floats, ...]:
    """Latents of every slot's candidates minus the reference pool's mean [candidate, rank]."""
    empty_row = len(bound.latents) - 1
    return tuple(
        bound.latents[np.where(rows < 0, empty_row, rows)] - bound.reference(product, slot)[0]
        for slot, rows in enumerate(space.candidates)
    )


def candidate_features(latents: Floats, own: Floats, max_latents: int) -> Floats:
    """What the encoder reads of each candidate [candidate, feature]: leading latents and the own effect."""
    return np.concatenate([latents[:, :max_latents], own[:, None]], axis=1).astype(np.float32)


def choose_landmarks(factors: Floats, own: Floats, num: int = NUM_LANDMARKS) -> NDArray[np.int64]:
    """Candidates that stand for a slot in the lookahead: all of a small pool, else the best by own effect and the
    extremes along fixed directions."""
    if len(own) <= num:
        return np.arange(len(own))
    directions = np.random.default_rng(num).standard_normal((factors.shape[1], 4 * num)).astype(np.float32)
    extremes = (factors @ directions + own[:, None]).argmax(axis=0)
    ranked = np.concatenate(
        [np.argsort(-own, kind="stable")[: num // 4], extremes, np.argsort(-own, kind="stable")[: 2 * num]]
    )
    _, first = np.unique(ranked, return_index=True)
    return np.sort(ranked[np.sort(first)[:num]]).astype(np.int64)


def _encode(
    arrays: dict[str, Floats], features: list[Floats]
) -> tuple[tuple[Floats, ...], tuple[Floats, ...], tuple[Floats, ...], Floats]:
    """The encoder of `CombinationGenerator.encode` for one product."""
    hidden, pooled = [], []
    for slot, part in enumerate(features):
        h = np.maximum(part @ arrays["embed.weight"].T + arrays["embed.bias"] + arrays["slot_embed"][slot], 0.0)
        hidden.append(h)
        pooled += [h.mean(axis=0), np.maximum(h.max(axis=0), 0.0)]
    summary = np.maximum(np.concatenate(pooled) @ arrays["pool.weight"].T + arrays["pool.bias"], 0.0)
    shift = summary @ arrays["mix_summary.weight"].T + arrays["mix.bias"]
    mixed = [np.maximum(h @ arrays["mix.weight"].T + shift, 0.0) for h in hidden]
    keys = tuple(m @ arrays["key.weight"].T + arrays["key.bias"] for m in mixed)
    bias = tuple((m @ arrays["bias.weight"].T + arrays["bias.bias"])[:, 0] for m in mixed)
    return keys, bias, tuple(h @ arrays["choose.weight"].T for h in hidden), summary
