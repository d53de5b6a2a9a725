"""Small reward models and generators with every part in them, drawn from a seed: no training, no files.

Slots: title, image, note, tag (optional), note again. The two notes share one component, so its pair with itself is
symmetric, and component indices decrease from the fourth slot to the fifth.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue, Slot
from genco.data.rules import Rule
from genco.models.generator import CombinationGenerator, GeneratorConfig
from genco.models.mil_pooling import AttentionResidual
from genco.runtime.legal_space import legal_space
from genco.runtime.product_encoding import GeneratorWeights
from genco.runtime.projection import KindProjection
from genco.runtime.residual import AttentionResidualArrays
from genco.runtime.reward_model import Appeal, BoundRewardModel, RewardModel, reference_pools
from genco.runtime.terms import TermLayout
from genco.training.proposal_tables import proposal_tables

SLOTS = (
    Slot("title", "title"),
    Slot("image", "image"),
    Slot("note_1", "note"),
    Slot("tag", "tag", required=False),
    Slot("note_2", "note"),
)
PER_PRODUCT = {"title": 4, "image": 3, "note": 4, "tag": 2}
KIND = {"title": 0, "image": 1, "note": 0, "tag": 0}
RANK = {0: 3, 1: 2}
NUM_FEATURES, NUM_CONTEXT = 5, 2
Floats = NDArray[np.float32]


def small_catalogue(num_products: int = 3, slots: tuple[Slot, ...] = SLOTS, rules: tuple[Rule, ...] = ()) -> Catalogue:
    """Products p0, p1, ... with elements p0.title0, ...; one tag shared by all products."""
    rows = [
        (f"p{p}.{component}{i}", f"p{p}", component)
        for p in range(num_products)
        for component in dict.fromkeys(slot.component for slot in slots)
        for i in range(PER_PRODUCT[component])
    ]
    rows.append(("shared.tag", None, "tag"))
    elements = pl.DataFrame(
        rows, schema={"element_id": pl.String, "product_id": pl.String, "component": pl.String}, orient="row"
    )
    elements = elements.with_columns(
        text=pl.lit(None, pl.String), image_uri=pl.lit(None, pl.String), status=pl.lit("approved")
    )
    products = pl.DataFrame({"product_id": [f"p{p}" for p in range(num_products)]})
    return Catalogue(slots, products, elements, rules)


def small_layout(catalogue: Catalogue, **changes: object) -> TermLayout:
    names = catalogue.components
    kinds = tuple(KIND[name] for name in names)
    values: dict[str, object] = {
        "slot_component": tuple(names.index(slot.component) for slot in catalogue.slots),
        "component_names": names,
        "component_kind": kinds,
        "own_rank": tuple(RANK[kind] for kind in kinds),
        "pair_rank": (2,) * len(names),
        "optional": tuple(
            any(not slot.required for slot in catalogue.slots if slot.component == name) for name in names
        ),
        "num_context": NUM_CONTEXT,
        **changes,
    }
    return TermLayout(**values)  # type: ignore[arg-type]


def small_content(catalogue: Catalogue, seed: int = 0) -> tuple[Floats, NDArray[np.int32]]:
    """Content [element, feature] by element id, so that it survives catalogue edits, and kinds [element]."""
    content = np.stack([_vector(seed, element) for element in catalogue.elements["element_id"]])
    kinds = np.array([KIND[component] for component in catalogue.elements["component"]], dtype=np.int32)
    return content, kinds


def _vector(seed: int, element: str) -> Floats:
    words = [seed, *element.encode()]
    return np.random.default_rng(words).standard_normal(NUM_FEATURES).astype(np.float32)


def small_model(
    seed: int = 0,
    catalogue: Catalogue | None = None,
    residual: bool = False,
    known: tuple[str, ...] = ("p0", "p1"),
    **layout_changes: object,
) -> BoundRewardModel:
    """A bound model with random weights; pools of the `known` products are frozen, the last product is unseen."""
    catalogue = catalogue or small_catalogue()
    rng = np.random.default_rng(seed)
    layout = small_layout(catalogue, **layout_changes)
    projections = tuple(
        KindProjection(
            rng.standard_normal(NUM_FEATURES).astype(np.float32),
            rng.standard_normal((NUM_FEATURES, rank)).astype(np.float32) / 2,
            np.linspace(2.0, 1.0, rank).astype(np.float32),
            0.1,
            np.linspace(0.05, 0.1, rank).astype(np.float32),
        )
        for rank in RANK.values()
    )
    num = layout.num_weights
    root = rng.standard_normal((num, num)) / np.sqrt(max(num, 1)) * 0.3
    ids = catalogue.elements["element_id"].to_list()
    effects = {e: (float(rng.normal(0, 0.3)), float(rng.uniform(0.01, 0.05))) for e in ids if not e.startswith("p2")}
    model = RewardModel(
        layout=layout,
        projections=projections,
        theta=rng.normal(0, 0.5, num).astype(np.float32),
        covariance=(root @ root.T).astype(np.float32),
        appeal=Appeal(
            np.array([-3.0, 0.2], dtype=np.float32),
            rng.normal(0, 0.2, NUM_CONTEXT).astype(np.float32),
            {p: -3.0 + i / 2 for i, p in enumerate(known)},
            0.2,
        ),
        element_effect=effects,
        element_variance=0.06,
        calibration=(0.9, 0.1),
        residual=small_residual(seed, layout) if residual else None,
        block_variance={block.name: 0.1 for block in layout.blocks},
    )
    bound = bind_small(model, catalogue)
    mean, empty, members, owners = reference_pools(catalogue, bound.latents)
    size = np.maximum(np.bincount(owners, minlength=empty.size), 1)
    effect = np.bincount(owners, weights=bound.element_mean[members], minlength=empty.size) / size
    effect = effect.reshape(empty.shape).astype(np.float32)
    rows = catalogue.product_rows
    pools = {p: (mean[rows[p]], empty[rows[p]], effect[rows[p]]) for p in known if p in rows}
    return bind_small(replace(model, reference_pool=pools), catalogue)


def bind_small(model: RewardModel, catalogue: Catalogue) -> BoundRewardModel:
    features = np.linspace(-1, 1, catalogue.num_products, dtype=np.float32)[:, None]
    return model.bind(catalogue, *small_content(catalogue), features)


def small_residual(seed: int, layout: TermLayout) -> AttentionResidualArrays:
    torch.manual_seed(seed)
    net = AttentionResidual(layout.num_slots, max(layout.own_rank), layout.num_context, width=8)
    torch.nn.init.normal_(net.out.weight)
    return AttentionResidualArrays({name: p.detach().numpy().copy() for name, p in net.named_parameters()})


def small_generator(
    bound: BoundRewardModel, seed: int = 0, wild: float = 0.3, **changes: object
) -> tuple[CombinationGenerator, GeneratorWeights]:
    """A generator with random weights (every part active) as torch module and as arrays."""
    config = replace(GeneratorConfig(width=8, key_width=4, max_latents=2, temperature=0.5), **changes)  # type: ignore[arg-type]
    torch.manual_seed(seed)
    width = min(bound.latents.shape[1], config.max_latents) + 1
    net = CombinationGenerator(len(bound.catalogue.slots), width, bound.model.layout.num_context, config)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * wild)
    return net, arrays_of(net, scale=0.7)


def arrays_of(net: CombinationGenerator, scale: float) -> GeneratorWeights:
    config = net.config
    arrays = {name: p.detach().float().numpy().copy() for name, p in net.named_parameters()}
    return GeneratorWeights(arrays, scale, config.temperature, config.max_latents, config.autoregressive, config.credit)


def small_tables(bound: BoundRewardModel, net: CombinationGenerator, scale: float = 0.7):  # type: ignore[no-untyped-def]
    """Spaces, proposal tables and product rows of every product of the catalogue."""
    spaces = {p: legal_space(bound.catalogue, p) for p in range(bound.catalogue.num_products)}
    none = np.zeros((1, bound.model.layout.num_context), dtype=np.float32)
    tables, products = proposal_tables(bound, spaces, none, np.ones(1), net.config, 0, scale=scale)
    return spaces, tables, products


def small_context(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal(NUM_CONTEXT).astype(np.float32)
