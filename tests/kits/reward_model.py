"""Conformance kit of reward models: what every bound model must do, on every product and context."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.data.same_content import content_keys
from genco.runtime.attribution import attribute
from genco.runtime.encoding import EncodedCatalogue
from genco.runtime.legal_space import LegalSpace, legal_space
from genco.runtime.model_arrays import reward_model_arrays, reward_model_from
from genco.runtime.refine import score
from genco.runtime.reward_model import BoundRewardModel, RewardModel
from genco.storage.runs import RunFolder

Floats = NDArray[np.float32]


def check_reward_model(bound: BoundRewardModel, encoded: EncodedCatalogue, contexts: Floats, folder: Path) -> None:
    """Everything below, for the first products and the given contexts [context, num_context]."""
    for product in range(min(bound.catalogue.num_products, 3)):
        for context in contexts:
            check_scores_agree(bound, product, context)
            check_centred(bound, product, context)
    check_unseen_ids_fall_back(bound.model, encoded)
    check_save_and_load(bound, encoded, contexts[0], folder)


def sampled(space: LegalSpace, seed: int = 0, num: int = 64) -> NDArray[np.int32]:
    return space.sample_uniform(np.random.default_rng(seed), num)


def rows_of(space: LegalSpace, positions: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.stack([space.candidates[c][positions[:, c]] for c in range(space.num_slots)], axis=1)


def uplift_of(bound: BoundRewardModel, product: int, rows: NDArray[np.int32], context: Floats) -> Floats:
    return bound.uplift(np.full(len(rows), product, np.int32), rows, np.repeat(context[None], len(rows), axis=0))


def check_scores_agree(bound: BoundRewardModel, product: int, context: Floats) -> None:
    """Uplift of rows = score of the tables + residual = sum of the attribution, within 1e-5 of the logits' size."""
    space = legal_space(bound.catalogue, product)
    positions = sampled(space)
    rows = rows_of(space, positions)
    uplift = uplift_of(bound, product, rows, context)
    near = {"atol": 1e-5 * max(1.0, float(np.abs(uplift).max())), "rtol": 1e-5}
    residual = residual_parts(bound, product, rows, context)
    additive = score(bound.tables(product, context, space.candidates), positions)
    np.testing.assert_allclose(additive + residual.sum(axis=1), uplift, **near)
    credit = attribute(bound, product, context, space, positions, residual)
    np.testing.assert_allclose(credit.total.sum(axis=1), uplift, **near)
    assert (credit.deviation >= 0).all()
    low, high = credit.interval()
    assert (low <= credit.total).all() and (credit.total <= high).all()


def residual_parts(bound: BoundRewardModel, product: int, rows: NDArray[np.int32], context: Floats) -> Floats:
    """Residual of each slot, latents centred one by one."""
    if bound.model.residual is None:
        return np.zeros(rows.shape, dtype=np.float32)
    centred = np.stack(
        [bound.latents[rows[:, c]] - bound.reference(product, c)[0] for c in range(rows.shape[1])], axis=1
    )
    centred[rows < 0] = 0.0
    return bound.model.residual(centred, rows >= 0, np.repeat(context[None], len(rows), axis=0))


def check_centred(bound: BoundRewardModel, product: int, context: Floats) -> None:
    """Own, pair and element effects average to zero over the product's pool, an independent element per slot."""
    candidates = tuple(bound.catalogue.candidates(product, slot) for slot in range(bound.catalogue.num_slots))
    if any(len(rows) == 0 for rows in candidates):
        return
    if not _pool_is_frozen(bound, product, candidates):
        return
    tables = bound.tables(product, context, candidates)
    size = max(1.0, max(float(np.abs(own).max(initial=0)) for own in tables.own))
    for own, factors in zip(tables.own, tables.factors, strict=True):
        assert abs(float(own.mean(dtype=np.float64))) < 1e-5 * size
        assert np.abs(factors.mean(axis=0, dtype=np.float64)).max(initial=0.0) < 1e-5 * max(
            1.0, np.abs(factors).max(initial=0)
        )


def _pool_is_frozen(bound: BoundRewardModel, product: int, candidates: tuple[NDArray[np.int32], ...]) -> bool:
    """Whether the pool is still the one the run was trained with; after a catalogue edit it need not be."""
    means = [bound.latents[rows].mean(axis=0) for rows in candidates]
    return all(np.allclose(mean, bound.reference(product, c)[0], atol=1e-4) for c, mean in enumerate(means))


def check_unseen_ids_fall_back(model: RewardModel, encoded: EncodedCatalogue) -> None:
    """Renamed, every element and product keeps what content and features say of it, and loses what its id said."""
    catalogue = encoded.catalogue
    elements = catalogue.elements.with_columns(element_id="new " + catalogue.elements["element_id"])
    products = catalogue.products.with_columns(product_id="new " + catalogue.products["product_id"])
    elements = elements.with_columns(product_id="new " + elements["product_id"])
    renamed = Catalogue(catalogue.slots, products, elements)
    bound = model.bind(renamed, encoded.content, encoded.kinds, encoded.products)
    shared = [model.shared_effect.get(key or "", (0.0, model.element_variance)) for key in content_keys(renamed)]
    np.testing.assert_allclose(bound.element_mean[:-1], [mean for mean, _ in shared], atol=1e-6)
    np.testing.assert_allclose(bound.element_var[:-1], [variance for _, variance in shared], rtol=1e-6)
    assert bound.element_var[-1] == 0
    linear = model.appeal.product_weights[0] + encoded.products @ model.appeal.product_weights[1:]
    np.testing.assert_allclose(bound.appeal_base, linear, rtol=1e-5, atol=1e-6)
    known = model.bind(catalogue, encoded.content, encoded.kinds, encoded.products)
    np.testing.assert_array_equal(bound.latents, known.latents)


def check_save_and_load(bound: BoundRewardModel, encoded: EncodedCatalogue, context: Floats, folder: Path) -> None:
    """Through a run folder and back: the same bits in every prediction, interval and array."""
    run = RunFolder.create(folder / "kit run", {}, "kit", overwrite=True)
    run.save_arrays("reward_model", *reward_model_arrays(bound.model))
    model = reward_model_from(*run.load_arrays("reward_model"))
    again = model.bind(encoded.catalogue, encoded.content, encoded.kinds, encoded.products)
    space = legal_space(bound.catalogue, 0)
    positions = sampled(space)
    rows = rows_of(space, positions)
    np.testing.assert_array_equal(uplift_of(again, 0, rows, context), uplift_of(bound, 0, rows, context))
    np.testing.assert_array_equal(again.appeal_base, bound.appeal_base)
    first, second = (attribute(b, 0, context, space, positions).deviation for b in (bound, again))
    np.testing.assert_array_equal(first, second)
    for name, values in reward_model_arrays(bound.model)[0].items():
        np.testing.assert_array_equal(reward_model_arrays(model)[0][name], values)
    assert replace(model, residual=None).layout == bound.model.layout
    assert model.calibration == bound.model.calibration
