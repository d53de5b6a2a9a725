"""The logit against hand-worked numbers, and its forms against each other."""

from __future__ import annotations

import numpy as np
import pytest

from genco.errors import ConfigError, DataError
from genco.protocols import Truth
from genco.simulator.draw import slot_pools
from genco.simulator.scenarios import SCENARIOS
from genco.simulator.simulate import simulate
from genco.simulator.truth import truth_from_arrays
from genco.simulator.world import World, sigmoid


def by_hand(higher_order: float) -> World:
    """Two slots, one style dimension, one product with two titles and one image."""
    return World(
        slot_names=("title", "image"),
        slot_component=(0, 1),
        context_values=("s0", "s1"),
        strength=0.5,
        higher_order=higher_order,
        appeal=np.array([-3.0]),
        style=np.array([[1.0], [2.0], [-1.0]], dtype=np.float32),
        content_style=np.array([[1.0], [1.0], [-2.0]], dtype=np.float32),
        idio=np.array([0.5, 0.0, 1.0], dtype=np.float32),
        element_component=np.array([0, 0, 1], dtype=np.int8),
        tastes=np.array([[[1.0], [3.0]]]),
        component_taste=np.array([[2.0], [-1.0]]),
        bilinear=np.array([[[[9.0]], [[4.0]]], [[[9.0]], [[9.0]]]]),
        hidden=np.array([[0.5], [0.25]]),
        readout=np.array([2.0]),
        never_logged_products=np.zeros(1, dtype=bool),
        never_logged_elements=np.zeros(3, dtype=bool),
    )


def rows(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def test_logit_by_hand() -> None:
    # title 0: 0.1*1*1 + 0.1*1*2 + 0.2*0.5 = 0.4; image 2: 0.1*-1*1 + 0.1*-1*-1 + 0.2*1 = 0.2; pair 0.06*1*4*-1 = -0.24
    world = by_hand(higher_order=0.0)
    assert world.logit(rows(0), rows(0), rows(0, 2)[None])[0] == pytest.approx(-3.0 + 0.5 * (0.4 + 0.2 - 0.24))
    # segment 1: title 1: 0.1*2*3 + 0.1*2*2 = 1.0; image: 0.1*-1*3 + 0.1 + 0.2 = 0.0; pair 0.06*2*4*-1 = -0.48
    assert world.logit(rows(0), rows(1), rows(1, 2)[None])[0] == pytest.approx(-3.0 + 0.5 * (1.0 - 0.48))


def test_higher_order_by_hand() -> None:
    # half of the pair effect, and 0.5 * 0.25 * tanh(2 * (0.5*1 + 0.25*-1)) * 2
    expected = -3.0 + 0.5 * (0.4 + 0.2 - 0.5 * 0.24 + 0.5 * 0.25 * np.tanh(0.5) * 2)
    assert by_hand(0.5).logit(rows(0), rows(0), rows(0, 2)[None])[0] == pytest.approx(expected)


def test_content_logit_by_hand() -> None:
    # styles 1 and -2, no idio: 0.3; 0.1*-2*1 + 0.1*-2*-1 = 0.0; pair 0.06*1*4*-2 = -0.48
    assert by_hand(0.0).content_logit(rows(0), rows(0), rows(0, 2)[None])[0] == pytest.approx(-3 + 0.5 * (0.3 - 0.48))


def test_empty_element_has_no_effect() -> None:
    world = by_hand(0.0)
    assert world.logit(rows(0), rows(0), rows(0, -1)[None])[0] == pytest.approx(-3.0 + 0.5 * 0.4)
    assert world.logit(rows(0), rows(0), rows(-1, -1)[None])[0] == pytest.approx(-3.0)
    assert by_hand(0.5).logit(rows(0), rows(0), rows(-1, -1)[None])[0] == pytest.approx(-3.0)


def test_click_probability_is_the_sigmoid() -> None:
    assert sigmoid(np.array([0.0, -np.log(3.0)])) == pytest.approx([0.5, 0.25])
    assert by_hand(0.0).click_probability(rows(0), rows(0), rows(-1, -1)[None]) == pytest.approx(1 / (1 + np.exp(3.0)))


@pytest.mark.parametrize("name", ["pairs_sparse", "higher_order"])
@pytest.mark.parametrize("content", [False, True])
def test_tables_and_enumeration_agree_with_the_logit(name: str, content: bool) -> None:
    world = simulate(name, 10, seed=3).world
    pools = slot_pools(SCENARIOS[name], 7)
    tables = world.slot_tables(7, 2, pools, content)
    enumerated = world.enumerate_logits(7, 2, pools, content)
    assert enumerated.shape == (10, 10, 8, 5)
    positions = np.stack(np.unravel_index(np.arange(0, 4000, 37), enumerated.shape), axis=1).astype(np.int32)
    combination = np.stack([pool[positions[:, c]] for c, pool in enumerate(pools)], axis=1)
    batch = np.full(len(positions), 7, dtype=np.int32), np.full(len(positions), 2, dtype=np.int32)
    exact = (world.content_logit if content else world.logit)(*batch, combination)
    np.testing.assert_allclose(enumerated.ravel()[::37], exact, atol=2e-6)
    np.testing.assert_allclose(tables.score(positions), exact, atol=2e-6)
    total = np.full(len(positions), tables.constant)
    for c, own in enumerate(tables.own):
        total += own[positions[:, c]]
    for (c, d), pair in tables.pair.items():
        total += pair[positions[:, c], positions[:, d]]
    assert (tables.residual is None) == (name == "pairs_sparse")
    if tables.residual is not None:
        total += tables.residual(positions)
    np.testing.assert_allclose(total, exact, atol=2e-6)


def test_one_slot_and_one_candidate() -> None:
    tables = by_hand(0.5).slot_tables(0, 0, [rows(0), rows(2)])
    assert tables.enumerate_logits().shape == (1, 1)
    assert tables.enumerate_logits()[0, 0] == pytest.approx(by_hand(0.5).logit(rows(0), rows(0), rows(0, 2)[None])[0])


def test_too_many_combinations_are_refused() -> None:
    world = simulate("wide", 10, seed=0).world
    with pytest.raises(ConfigError, match=r"at most 5,000,000. Found 1,000,000,000,000,000 \(1000 x 1000"):
        world.enumerate_logits(0, 0, slot_pools(SCENARIOS["wide"], 0))


def test_arrays_restore_the_world() -> None:
    world = simulate("jd_card", 10, seed=1).world
    restored = truth_from_arrays(world.to_arrays(), world.truth_info())
    batch = rows(0, 1), rows(0, 7), np.array([[0, 12, 22, 23, 24, -1], [43, 55, 65, 66, 67, 80]], dtype=np.int32)
    np.testing.assert_array_equal(restored.logit(*batch), world.logit(*batch))
    assert isinstance(restored, Truth)
    assert restored.context_name == "segment"
    assert restored.context_values == tuple(f"s{i}" for i in range(8))


def test_missing_array_is_named() -> None:
    world = simulate("pairs_dense", 10, seed=1).world
    arrays = world.to_arrays()
    del arrays["idio"]
    with pytest.raises(DataError, match=r"must have array 'idio'"):
        truth_from_arrays(arrays, world.truth_info())
    with pytest.raises(DataError, match=r"must be 'world' or 'table'. Found 'other'"):
        truth_from_arrays(arrays, {"kind": "other"})


def test_tastes_turn_by_thirty_degrees_every_250_000_requests() -> None:
    world = simulate("drift", 10, seed=1).world
    assert world.at(249_999) is world
    before, after = world.tastes[0], world.at(250_000).tastes[1]
    assert world.at(250_000).epoch == 1
    length = np.linalg.norm(before, axis=1)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), length)
    cosine = (before * after).sum(axis=1) / length**2
    np.testing.assert_allclose(cosine, np.cos(np.radians(30)))
    batch = rows(0), rows(0), rows(0, 10, 20, 28)[None]
    assert world.logit(*batch) != world.at(250_000).logit(*batch)
