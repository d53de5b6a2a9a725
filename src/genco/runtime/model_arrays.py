"""Reward model and generator as named arrays and a plain dictionary, and back: what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.runtime.product_encoding import GeneratorWeights
from genco.runtime.projection import KindProjection
from genco.runtime.residual import AttentionResidualArrays
from genco.runtime.reward_model import Appeal, RewardModel
from genco.runtime.terms import TermLayout

Arrays = dict[str, NDArray[Any]]


def reward_model_arrays(model: RewardModel) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and description of a reward model; `reward_model_from` is the inverse."""
    products, elements = list(model.appeal.product_effect), list(model.element_effect)
    pools, contents = list(model.reference_pool), list(model.shared_effect)
    arrays: Arrays = {
        "theta": _single(model.theta),
        "covariance": _single(model.covariance),
        "appeal.product_weights": _single(model.appeal.product_weights),
        "appeal.context_weights": _single(model.appeal.context_weights),
        "appeal.product_effect": np.array([model.appeal.product_effect[p] for p in products], dtype=np.float32),
        "element_effect": np.array([model.element_effect[e] for e in elements], dtype=np.float32).reshape(-1, 2),
        "shared_effect": np.array([model.shared_effect[c] for c in contents], dtype=np.float32).reshape(-1, 2),
        "pool.mean": _stack([model.reference_pool[p][0] for p in pools]),
        "pool.empty": _stack([model.reference_pool[p][1] for p in pools]),
        "pool.effect": _stack([model.reference_pool[p][2] for p in pools]),
    }
    for kind, projection in enumerate(model.projections):
        for name in ("mean", "loading", "eigenvalues", "latent_noise"):
            arrays[f"projection.{kind}.{name}"] = getattr(projection, name)
    if isinstance(model.residual, AttentionResidualArrays):
        arrays |= {f"residual.{name}": values for name, values in model.residual.arrays.items()}
    description = {
        "layout": asdict(model.layout),
        "projection_noise": [projection.noise for projection in model.projections],
        "effect_variance": model.appeal.effect_variance,
        "element_variance": model.element_variance,
        "calibration": list(model.calibration),
        "block_variance": dict(model.block_variance),
        "product_ids": products,
        "element_ids": elements,
        "content_keys": contents,
        "pool_ids": pools,
        "has_residual": model.residual is not None,
    }
    return arrays, description


def reward_model_from(arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]) -> RewardModel:
    described = description["layout"].items()
    layout: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in described}
    projections = tuple(
        KindProjection(
            arrays[f"projection.{kind}.mean"],
            arrays[f"projection.{kind}.loading"],
            arrays[f"projection.{kind}.eigenvalues"],
            float(noise),
            arrays[f"projection.{kind}.latent_noise"],
        )
        for kind, noise in enumerate(description["projection_noise"])
    )
    appeal = Appeal(
        arrays["appeal.product_weights"],
        arrays["appeal.context_weights"],
        dict(zip(description["product_ids"], arrays["appeal.product_effect"].tolist(), strict=True)),
        float(description["effect_variance"]),
    )
    residual = None
    if description["has_residual"]:
        prefix = "residual."
        found = {name[len(prefix) :]: values for name, values in arrays.items() if name.startswith(prefix)}
        residual = AttentionResidualArrays(found)
    effects = arrays["element_effect"].tolist()
    shared = arrays["shared_effect"].tolist() if "shared_effect" in arrays else []  # absent from earlier runs
    return RewardModel(
        layout=TermLayout(**layout),
        projections=projections,
        theta=arrays["theta"],
        covariance=arrays["covariance"],
        appeal=appeal,
        element_effect={e: (mean, var) for e, (mean, var) in zip(description["element_ids"], effects, strict=True)},
        element_variance=float(description["element_variance"]),
        shared_effect={
            c: (mean, var) for c, (mean, var) in zip(description.get("content_keys", ()), shared, strict=True)
        },
        reference_pool={
            p: (arrays["pool.mean"][i], arrays["pool.empty"][i], arrays["pool.effect"][i])
            for i, p in enumerate(description["pool_ids"])
        },
        calibration=(float(description["calibration"][0]), float(description["calibration"][1])),
        residual=residual,
        block_variance=dict(description["block_variance"]),
    )


def generator_arrays(weights: GeneratorWeights) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and description of a generator; `generator_from` is the inverse."""
    description = asdict(weights)
    del description["arrays"]
    return dict(weights.arrays), description


def generator_from(arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]) -> GeneratorWeights:
    return GeneratorWeights(arrays=dict(arrays), **description)


def _stack(values: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack(values).astype(np.float32) if values else np.zeros((0,), dtype=np.float32)


def _single(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)
