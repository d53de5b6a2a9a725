"""Directions of pair effects: planted ones are found, held-out rows decide, and a sample stands for the whole log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genco.data.encoded_log import EncodedLog
from genco.models.additive import ContentTables
from genco.runtime.terms import TermLayout
from genco.training import pair_directions
from genco.training.pair_directions import PairDirections, learn_pair_directions

RANK, READ, PRODUCTS, CANDIDATES = 10, 3, 30, 8
PLANTED = np.eye(RANK, dtype=np.float32)[:, 6:8]
LAYOUT = TermLayout(
    slot_component=(0, 1),
    component_names=("title", "highlight"),
    component_kind=(0, 0),
    own_rank=(RANK, RANK),
    pair_rank=(READ, READ),
    optional=(False, False),
    num_context=0,
)


def world(num_rows: int, strength: float, seed: int = 0) -> tuple[EncodedLog, ContentTables]:
    """Two slots of texts; of their ten latents, only the seventh and eighth act, and only in pairs."""
    rng = np.random.default_rng(seed)
    num_elements = PRODUCTS * 2 * CANDIDATES
    latents = np.zeros((num_elements + 1, RANK), dtype=np.float32)
    latents[:-1] = rng.standard_normal((num_elements, RANK))
    members = np.arange(num_elements, dtype=np.int32)
    tables = ContentTables(
        latents,
        latents[:-1].reshape(PRODUCTS, 2, CANDIDATES, RANK).mean(axis=2),
        np.zeros((PRODUCTS, 2), np.float32),
        members,
        members // CANDIDATES,
    )
    product = rng.integers(PRODUCTS, size=num_rows).astype(np.int32)
    shown = (product[:, None] * 2 + np.arange(2)) * CANDIDATES + rng.integers(CANDIDATES, size=(num_rows, 2))
    left, right = (latents[shown[:, slot]] @ PLANTED for slot in range(2))
    logit = -1.5 + strength * (left * right[:, ::-1]).sum(axis=1)
    reward = rng.random(num_rows) < 1 / (1 + np.exp(-logit))
    log = EncodedLog(
        shown.astype(np.int32),
        product,
        np.ones(num_rows, np.float32),
        reward.astype(np.float32),
        np.arange(PRODUCTS, dtype=np.int32),
        np.zeros(PRODUCTS, np.int32),
        np.zeros((1, 0), np.float32),
        num_elements,
        PRODUCTS,
    )
    return log, tables


def learned(
    num_rows: int = 10_000, strength: float = 0.9, force: bool = False, held_out: int = 3_000
) -> PairDirections:
    log, tables = world(num_rows, strength)
    train, rest = log.take(slice(held_out, None)), log.take(slice(0, held_out))
    return learn_pair_directions(train, rest, tables, LAYOUT, 0, lambda stage, values: None, force)


def test_planted_directions_are_found() -> None:
    found = learned()
    assert found.gain > 2 * found.error > 0
    cosines = np.linalg.svd(found.directions[0].T @ PLANTED, compute_uv=False)
    assert cosines.min() > 0.9
    np.testing.assert_allclose(found.directions[0].T @ found.directions[0], np.eye(READ), atol=1e-5)


def test_prior_of_pairs_is_the_one_directions_were_found_under() -> None:
    """Directions of lengths 2 and 1, precision 100: four and one hundredths; numbers are read as they are."""
    layout = replace(LAYOUT, component_kind=(0, 1), own_rank=(RANK, 3), pair_rank=(2, 3))
    learned_ones = PairDirections({}, {0: np.array([2.0, 1.0], np.float32)}, precision=100.0)
    found = learned_ones.pair_priors(layout)
    assert list(found) == ["pair:title|highlight"]
    np.testing.assert_allclose(found["pair:title|highlight"], [0.04, 0.04, 0.04, 0.01, 0.01, 0.01])
    assert PairDirections({}).pair_priors(layout) == {}


def test_pairs_without_weights_are_not_fitted() -> None:
    log, tables = world(1_000, 0.5)
    layout = replace(LAYOUT, component_kind=(0, 1), own_rank=(RANK, 0), pair_rank=(READ, 0))
    assert learn_pair_directions(log, log, tables, layout, 0, lambda stage, values: None).rows_seen == 0


def test_the_same_seed_gives_the_same_directions() -> None:
    np.testing.assert_array_equal(learned(6_000).directions[0], learned(6_000).directions[0])


def test_held_out_rows_without_pair_effects_keep_the_principal_components() -> None:
    found = learned(8_000, strength=0.0)
    assert not found.directions and found.gain <= max(2 * found.error, 1.0)
    assert learned(8_000, strength=0.0, force=True).directions


def test_without_held_out_rows_nothing_is_learned() -> None:
    assert learned(4_000, held_out=0) == PairDirections({})


def test_a_sample_of_rows_stands_for_the_whole_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_directions, "MAX_ROWS", 1_000)
    monkeypatch.setattr(pair_directions, "MAX_REWARDED", 300)
    log, _ = world(8_000, 0.5)
    rows, weight = pair_directions._sample(log, 0)
    rewarded = log.reward[rows] > 0
    assert len(rows) == len(np.unique(rows)) == 1_000 and rewarded.sum() == 300
    assert weight[rewarded].sum() == pytest.approx(log.reward.sum(), rel=1e-4)
    assert weight[~rewarded].sum() == pytest.approx((log.reward == 0).sum(), rel=1e-4)
