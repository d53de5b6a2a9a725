"""The penalty is the posterior standard deviation of the uplift that is served, rules and empty slots included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.kits.reward_model import residual_parts, rows_of, sampled
from tests.kits.small_models import (
    bind_small,
    small_catalogue,
    small_context,
    small_generator,
    small_model,
    small_tables,
)

from genco.data.catalogue import EMPTY
from genco.data.rules import Block, Pin
from genco.runtime.attribution import slot_features
from genco.runtime.reward_model import BoundRewardModel
from genco.training import uncertainty
from genco.training.uncertainty import uncertainty_penalty

RULES = (Block("p0.title0"), Block("p0.tag0"), Pin("image", "p1.image2"))


def deviations(bound: BoundRewardModel, product: int, rows: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Posterior standard deviation [batch] of the uplift, in logits."""
    features = sum(sum(slot_features(bound, product, context, rows, slot)) for slot in range(5)).astype(float)  # type: ignore[attr-defined]
    variance = np.einsum("bi,ij,bj->b", features, bound.model.covariance.astype(float), features)
    return np.sqrt(variance + np.where(rows == EMPTY, 0.0, bound.element_var[rows]).sum(axis=1))


def end_rewards(bound: BoundRewardModel, weight: float):  # type: ignore[no-untyped-def]
    spaces, tables, products = small_tables(bound, small_generator(bound)[0])
    return spaces, tables, products, uncertainty_penalty(bound, tables, products, weight)


@pytest.mark.parametrize("residual", [False, True])
def test_is_the_deviation_of_what_is_served(residual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncertainty, "NUM_DIRECTIONS", 1_000)
    bound = small_model(1, small_catalogue(rules=RULES), residual=residual)
    spaces, tables, products, end = end_rewards(bound, weight=0.5)
    assert end is not None
    context = np.stack([small_context(s) for s in range(3)])
    positions = [sampled(spaces[int(p)], num=12) for p in products]
    choices = [torch.from_numpy(np.stack([part[:, c] for part in positions]).astype(np.int64)) for c in range(5)]
    found = end(torch.arange(3), torch.from_numpy(context), choices).numpy()
    for row, product in enumerate(products):
        rows = rows_of(spaces[int(product)], positions[row])
        wanted = -0.5 * deviations(bound, int(product), rows, context[row])
        wanted = wanted + residual_parts(bound, int(product), rows, context[row]).sum(axis=1)
        np.testing.assert_allclose(found[row], wanted / tables.scale, rtol=1e-3, atol=1e-4)


def test_random_directions_have_the_variance_on_average() -> None:
    bound = small_model(2)
    spaces, tables, _, end = end_rewards(bound, weight=1.0)
    assert end is not None and bound.model.layout.num_weights > uncertainty.NUM_DIRECTIONS
    positions = sampled(spaces[0], num=200)
    choices = [torch.from_numpy(positions[:, c].astype(np.int64))[None] for c in range(5)]
    found = -end(torch.tensor([0]), torch.from_numpy(small_context())[None], choices).numpy()[0] * tables.scale
    exact = deviations(bound, 0, rows_of(spaces[0], positions), small_context())
    assert np.abs(found / exact - 1).max() < 0.5
    assert float((found**2).mean() / (exact**2).mean()) == pytest.approx(1, abs=0.15)
    assert np.corrcoef(found, exact)[0, 1] > 0.9


def test_nothing_to_add_is_none() -> None:
    assert end_rewards(small_model(1), weight=0.0)[3] is None
    assert end_rewards(small_model(1, residual=True), weight=0.0)[3] is not None


def test_a_certain_model_is_not_penalised() -> None:
    bound = small_model(1)
    effects = {e: (mean, 0.0) for e, (mean, _) in bound.model.element_effect.items()}
    model = replace(
        bound.model, covariance=np.zeros_like(bound.model.covariance), element_effect=effects, element_variance=0.0
    )
    _, _, _, end = end_rewards(bind_small(model, bound.catalogue), weight=1.0)
    assert end is not None
    found = end(torch.tensor([0]), torch.zeros(1, 2), [torch.zeros(1, 4, dtype=torch.int64)] * 5)
    assert not found.any()


def test_no_weights_leaves_the_elements() -> None:
    bound = small_model(1, own=False, pair=False, context=False, optional=(False,) * 4)
    spaces, tables, _, end = end_rewards(bound, weight=1.0)
    assert end is not None
    positions = sampled(spaces[0], num=8)
    found = end(
        torch.tensor([0]),
        torch.zeros(1, 2),
        [torch.from_numpy(positions[:, c].astype(np.int64))[None] for c in range(5)],
    )
    rows = rows_of(spaces[0], positions)
    wanted = np.sqrt(np.where(rows == EMPTY, 0.0, bound.element_var[rows]).sum(axis=1))
    np.testing.assert_allclose(-found[0].numpy() * tables.scale, wanted, rtol=1e-4)
