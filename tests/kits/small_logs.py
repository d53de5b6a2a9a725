"""Encoded logs of a small catalogue, drawn from planted weights, and the likelihood in double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from genco.data.encoded_log import EncodedLog
from genco.models.additive import ContentTables
from genco.runtime.reward_model import BoundRewardModel, reference_pools
from genco.runtime.terms import TermLayout

Doubles = NDArray[np.float64]


def tables_of(bound: BoundRewardModel) -> ContentTables:
    mean, empty, members, owners = reference_pools(bound.catalogue, bound.latents)
    return ContentTables(bound.latents, mean, empty, members, owners)


def small_log(bound: BoundRewardModel, num_rows: int, seed: int = 0, num_contexts: int = 3) -> EncodedLog:
    """Uniform combinations of every product in `num_contexts` contexts; rewards all zero until `with_rewards`."""
    rng = np.random.default_rng(seed)
    catalogue = bound.catalogue
    product = rng.integers(catalogue.num_products, size=num_rows)
    combination = np.zeros((num_rows, catalogue.num_slots), dtype=np.int32)
    for p in range(catalogue.num_products):
        at = np.flatnonzero(product == p)
        for slot in range(catalogue.num_slots):
            rows = catalogue.candidates(p, slot)
            combination[at, slot] = np.where(rows < 0, catalogue.num_elements, rows)[
                rng.integers(len(rows), size=len(at))
            ]
    context = rng.integers(num_contexts, size=num_rows)
    group = product * num_contexts + context
    trials = rng.integers(1, 4, num_rows).astype(np.float32)
    return EncodedLog(
        combination,
        group.astype(np.int32),
        trials,
        np.zeros(num_rows, np.float32),
        np.repeat(np.arange(catalogue.num_products), num_contexts).astype(np.int32),
        np.tile(np.arange(num_contexts), catalogue.num_products).astype(np.int32),
        rng.standard_normal((num_contexts, bound.model.layout.num_context)).astype(np.float32),
        catalogue.num_elements,
        catalogue.num_products,
    )


def with_rewards(log: EncodedLog, logit: Doubles, seed: int = 0) -> EncodedLog:
    """The log with binomial rewards at `logit` [row]."""
    rate = 1 / (1 + np.exp(-logit))
    reward = np.random.default_rng(seed).binomial(log.trials.astype(np.int64), rate).astype(np.float32)
    return EncodedLog(**{**vars(log), "reward": reward})


def centred_features(layout: TermLayout, tables: ContentTables, log: EncodedLog) -> Doubles:
    """Features [row, weight] minus those of the pool's mean element."""
    u = log.contexts[log.group_context[log.group]]
    empty = log.combination == log.num_elements
    slots = range(layout.num_slots)
    shown = layout.features([tables.latents[log.combination[:, c]] for c in slots], empty, u)
    pools = layout.features([tables.pool_mean[log.product, c] for c in slots], tables.pool_empty[log.product], u)
    return shown.astype(np.float64) - pools


def log_likelihood(logit: Doubles, log: EncodedLog) -> float:
    """Binomial, without the constant that counts orders."""
    return float((log.reward * logit - log.trials * np.logaddexp(0, logit)).sum(dtype=np.float64))
