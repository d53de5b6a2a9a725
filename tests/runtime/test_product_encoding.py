"""A product's encoding: the tables of the reward model without asking it again, and the view of it that torch has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kits.reward_model import sampled
from tests.kits.small_models import small_catalogue, small_context, small_generator, small_model, small_tables

from genco.data.rules import Block, Pin
from genco.runtime.legal_space import legal_space
from genco.runtime.product_encoding import NUM_LANDMARKS, choose_landmarks, encode_product
from genco.runtime.refine import score


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.fixed_dictionaries({p: st.booleans() for p in ("own", "pair", "context")}))
def test_tables_are_those_of_the_reward_model(seed: int, parts: dict[str, bool]) -> None:
    bound = small_model(seed, **parts)
    _, network = small_generator(bound)
    context = small_context(seed)
    for product in range(3):
        space = legal_space(bound.catalogue, product)
        positions = sampled(space)
        found = score(encode_product(bound, network, product, space).tables(context), positions)
        wanted = score(bound.tables(product, context, space.candidates), positions)
        np.testing.assert_allclose(found, wanted, atol=1e-5 * max(1, np.abs(wanted).max()))


def test_pins_and_blocks_leave_the_remaining_scores() -> None:
    rules = (Pin("title", "p0.title2"), Block("p0.tag1"))
    bound = small_model(1, small_catalogue(rules=rules))
    _, network = small_generator(bound)
    space = legal_space(bound.catalogue, 0)
    assert space.sizes == (1, 3, 4, 3, 4)
    positions = sampled(space)
    np.testing.assert_allclose(
        score(encode_product(bound, network, 0, space).tables(small_context()), positions),
        score(bound.tables(0, small_context(), space.candidates), positions),
        atol=1e-5,
    )


def test_network_view_is_torchs() -> None:
    bound = small_model(2)
    net, network = small_generator(bound)
    spaces, tables, _ = small_tables(bound, net)
    with torch.no_grad():
        code = net.encode(tables.features, tables.mask)
    for product, space in spaces.items():
        found = encode_product(bound, network, product, space)
        np.testing.assert_allclose(found.summary, code.summary[product], atol=1e-5)
        for slot, size in enumerate(space.sizes):
            np.testing.assert_allclose(found.keys[slot], code.keys[product, slot, :size], atol=1e-5)
            np.testing.assert_allclose(found.bias[slot], code.bias[product, slot, :size], atol=1e-5)
            np.testing.assert_allclose(found.chosen[slot], code.chosen[product, slot, :size], atol=1e-5)


def test_landmark_tables_by_hand() -> None:
    """ahead[i, j] holds factors_i B factors_j' / scale at the landmarks of j; all of a small pool are landmarks."""
    bound = small_model(3)
    _, network = small_generator(bound)
    found = encode_product(bound, network, 0, legal_space(bound.catalogue, 0))
    assert [marks.tolist() for marks in found.landmarks] == [list(range(n)) for n in (4, 3, 4, 4, 4)]
    for (i, j), matrix in found.bilinear.items():
        np.testing.assert_allclose(found.ahead[i, j], found.factors[i] @ matrix @ found.factors[j].T / 0.7, atol=1e-5)
        np.testing.assert_allclose(found.between[i, j], found.ahead[i, j], atol=1e-6)


def test_landmarks_of_a_large_pool() -> None:
    """Sixteen distinct candidates in order, the best by own effect among them, the same at every call."""
    rng = np.random.default_rng(0)
    factors, own = rng.standard_normal((500, 4)).astype(np.float32), rng.standard_normal(500).astype(np.float32)
    found = choose_landmarks(factors, own)
    assert len(found) == NUM_LANDMARKS == len(np.unique(found))
    assert (np.diff(found) > 0).all() and own.argmax() in found
    np.testing.assert_array_equal(found, choose_landmarks(factors, own))


@pytest.mark.parametrize("rank", [0, 1])
def test_landmarks_without_factors_or_with_equal_candidates(rank: int) -> None:
    found = choose_landmarks(np.zeros((40, rank), np.float32), np.zeros(40, np.float32))
    assert 1 <= len(found) <= NUM_LANDMARKS and found.max() < 40
    assert choose_landmarks(np.zeros((1, rank), np.float32), np.zeros(1, np.float32)).tolist() == [0]
