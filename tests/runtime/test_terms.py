"""The layout of the weights: what multiplies what, checked against sums written out by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kits.small_models import small_catalogue, small_layout

from genco.runtime.terms import TermLayout

LAYOUT = small_layout(small_catalogue())
PARTS = st.fixed_dictionaries({name: st.booleans() for name in ("own", "pair", "context", "own_context")})


def two_slots(**changes: object) -> TermLayout:
    values: dict[str, object] = {
        "slot_component": (0, 1),
        "component_names": ("a", "b"),
        "component_kind": (0, 1),
        "own_rank": (1, 1),
        "pair_rank": (1, 1),
        "optional": (False, False),
        "num_context": 0,
        **changes,
    }
    return TermLayout(**values)  # type: ignore[arg-type]


def direct(layout: TermLayout, theta: np.ndarray, z: list[np.ndarray], empty: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The formula of the module's docstring, one term at a time, in double precision."""
    weights = {
        block.name: theta[block.start : block.stop].reshape(block.shape).astype(float) for block in layout.blocks
    }
    total = np.zeros(len(z[0]))
    for slot, c in enumerate(layout.slot_component):
        name, kind = layout.component_names[c], layout.component_kind[c]
        latent = z[slot][:, : layout.own_rank[c]].astype(float)
        total += latent @ weights.get(f"own:{name}", np.zeros((1, latent.shape[1])))[0]
        total += empty[:, slot] * weights.get(f"empty:{name}", np.zeros((1, 1)))[0, 0]
        for block in (f"context:{kind}", f"context:{name}"):
            total += np.einsum("bu,ur,br->b", u, weights.get(block, np.zeros((u.shape[1], latent.shape[1]))), latent)
    for i in range(layout.num_slots):
        for j in range(i + 1, layout.num_slots):
            a, b = layout.slot_component[i], layout.slot_component[j]
            left, right = z[i][:, : layout.pair_rank[a]], z[j][:, : layout.pair_rank[b]]
            if a > b:
                a, b, left, right = b, a, right, left
            matrix = weights.get(f"pair:{layout.component_names[a]}|{layout.component_names[b]}")
            if matrix is None:
                continue
            total += np.einsum("bi,ij,bj->b", left, matrix, right)
    return total


def draw(layout: TermLayout, seed: int, batch: int = 6) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = [rng.standard_normal((batch, max(layout.own_rank))).astype(np.float32) for _ in range(layout.num_slots)]
    empty = rng.random((batch, layout.num_slots)) < 0.3
    return z, empty, rng.standard_normal((batch, layout.num_context)).astype(np.float32)


def test_hand_worked_number() -> None:
    """z_a = 2, z_b = 3: 10 * 2 + 100 * 3 + 1000 * 2 * 3."""
    layout = two_slots()
    features = layout.features(
        [np.full((1, 1), 2.0, np.float32), np.full((1, 1), 3.0, np.float32)], None, np.zeros((1, 0))
    )
    assert features.tolist() == [[2.0, 3.0, 6.0]]
    assert float((features @ np.array([10.0, 100.0, 1000.0]))[0]) == 6320.0


def test_slots_of_one_component_are_ordered() -> None:
    """Two slots of one component share a matrix; what stands first is read from its left."""
    layout = two_slots(
        slot_component=(0, 0),
        component_names=("a",),
        component_kind=(0,),
        own_rank=(2,),
        pair_rank=(2,),
        optional=(False,),
        own=False,
    )
    theta = np.array([1.0, 10.0, 0.0, 5.0])
    bilinear = layout.effective(theta).bilinear[0, 1]
    assert bilinear.tolist() == [[1.0, 10.0], [0.0, 5.0]]
    z = [np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)]
    assert float((layout.features(z, None, np.zeros((1, 0), np.float32)) @ theta)[0]) == 10.0
    assert float((layout.features(z[::-1], None, np.zeros((1, 0), np.float32)) @ theta)[0]) == 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), PARTS)
def test_features_times_weights_is_the_formula(seed: int, parts: dict[str, bool]) -> None:
    layout = small_layout(small_catalogue(), **parts)
    z, empty, u = draw(layout, seed)
    theta = np.random.default_rng(seed).standard_normal(layout.num_weights)
    found = layout.features(z, empty, u).astype(float) @ theta
    np.testing.assert_allclose(found, direct(layout, theta, z, empty, u), rtol=1e-4, atol=1e-4)
    own, pair = (layout.features(z, empty, u, out_of=part) for part in ("own", "pair"))
    np.testing.assert_array_equal(own + pair, layout.features(z, empty, u))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), PARTS)
def test_gather_is_the_transpose_of_effective(seed: int, parts: dict[str, bool]) -> None:
    """<effective(theta), g> = <theta, gather(g)> for any derivative g by slot."""
    layout = small_layout(small_catalogue(), **parts)
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(layout.num_weights)
    weights = layout.effective(theta)
    query = [rng.standard_normal(q.shape).astype(np.float32) for q in weights.query]
    empty = rng.standard_normal(layout.num_slots).astype(np.float32)
    bilinear = {pair: rng.standard_normal(b.shape).astype(np.float32) for pair, b in weights.bilinear.items()}
    by_slot = sum(float((w * q).sum()) for w, q in zip(weights.query, query, strict=True))
    by_slot += float(weights.empty @ empty) + sum(float((weights.bilinear[p] * bilinear[p]).sum()) for p in bilinear)
    assert theta @ layout.gather(query, empty, bilinear) == pytest.approx(by_slot, rel=1e-4, abs=1e-4)


def test_effective_weights_evaluate_like_features() -> None:
    z, empty, u = draw(LAYOUT, 3)
    theta = np.random.default_rng(3).standard_normal(LAYOUT.num_weights)
    weights = LAYOUT.effective(theta)
    use = np.concatenate([np.ones((len(u), 1)), u], axis=1)
    total = empty @ weights.empty.astype(float)
    for slot, query in enumerate(weights.query):
        total += np.einsum("bi,bi->b", use @ query, z[slot][:, : query.shape[1]])
    for (i, j), matrix in weights.bilinear.items():
        total += np.einsum("bi,ij,bj->b", z[i][:, : matrix.shape[0]], matrix, z[j][:, : matrix.shape[1]])
    np.testing.assert_allclose(LAYOUT.features(z, empty, u) @ theta, total, rtol=1e-4, atol=1e-4)


def test_a_slot_of_an_earlier_component_reads_the_pair_transposed() -> None:
    """Slots tag (3) and note_2 (2): the block is stored as note x tag."""
    block = LAYOUT.pair_block(3, 4)
    assert block is not None and block.name == "pair:note|tag"
    theta = np.zeros(LAYOUT.num_weights)
    theta[block.start : block.stop] = [1, 2, 3, 4]
    bilinear = LAYOUT.effective(theta).bilinear
    assert bilinear[3, 4].tolist() == [[1, 3], [2, 4]]
    assert bilinear[2, 3].tolist() == [[1, 2], [3, 4]]


def test_blocks_tile_the_weights_and_are_named_once() -> None:
    edges = [(block.start, block.stop) for block in LAYOUT.blocks]
    assert edges[0][0] == 0 and edges[-1][1] == LAYOUT.num_weights
    assert all(a[1] == b[0] for a, b in pairwise(edges))
    assert len({block.name for block in LAYOUT.blocks}) == len(LAYOUT.blocks)
    assert all(block.size == block.shape[0] * block.shape[1] for block in LAYOUT.blocks)


@pytest.mark.parametrize(("part", "kinds"), [("own", {"own"}), ("pair", {"pair"}), ("context", {"context"})])
def test_a_part_switched_off_has_no_block(part: str, kinds: set[str]) -> None:
    layout = small_layout(small_catalogue(), **{part: False})
    assert not kinds & {block.kind for block in layout.blocks}


def test_prior_shape_follows_the_spectrum() -> None:
    spectrum = [
        np.array([1.0, 0.5, 0.25][: LAYOUT.own_rank[c]], np.float32) for c in range(len(LAYOUT.component_names))
    ]
    assert (LAYOUT.prior_shape(spectrum, 0.0) == 1).all()
    shape = LAYOUT.prior_shape(spectrum, 1.0)
    blocks = {block.name: shape[block.start : block.stop].reshape(block.shape) for block in LAYOUT.blocks}
    assert blocks["own:title"].tolist() == [[1.0, 0.5, 0.25]]
    assert blocks["context:image"].tolist() == [[1.0, 0.5]] * 2
    assert blocks["pair:title|image"].tolist() == [[1.0, 0.5], [0.5, 0.25]]
    assert blocks["empty:tag"].tolist() == [[1.0]]


def test_degenerate_layouts() -> None:
    one = two_slots(
        slot_component=(0,),
        component_names=("a",),
        component_kind=(0,),
        own_rank=(2,),
        pair_rank=(2,),
        optional=(False,),
    )
    assert one.slot_pairs == () and one.num_weights == 2
    nothing = two_slots(own_rank=(0, 0), pair_rank=(0, 0))
    assert nothing.num_weights == 0 and nothing.blocks == ()
    assert nothing.features([np.zeros((4, 0), np.float32)] * 2, None, np.zeros((4, 0), np.float32)).shape == (4, 0)
    assert nothing.effective(np.zeros(0)).bilinear[0, 1].shape == (0, 0)
    assert nothing.prior_shape([np.ones(0)] * 2, 1.0).shape == (0,)
