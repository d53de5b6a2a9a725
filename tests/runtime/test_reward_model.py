"""The bound reward model: one number however it is asked, centred, and untouched by catalogue edits elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kits.reward_model import check_centred, check_reward_model, check_scores_agree, rows_of, sampled, uplift_of
from tests.kits.small_models import bind_small, small_catalogue, small_content, small_context, small_model

from genco.data.catalogue import EMPTY, Catalogue
from genco.data.rules import Block, Pin
from genco.runtime.encoding import EncodedCatalogue
from genco.runtime.legal_space import legal_space
from genco.runtime.refine import score
from genco.runtime.reward_model import BoundRewardModel


def encoded_of(bound: BoundRewardModel) -> EncodedCatalogue:
    content, kinds = small_content(bound.catalogue)
    features = np.linspace(-1, 1, bound.catalogue.num_products, dtype=np.float32)[:, None]
    return EncodedCatalogue(bound.catalogue, content, kinds, features)


@pytest.mark.parametrize("residual", [False, True])
def test_conforms(residual: bool, tmp_path: Path) -> None:
    bound = small_model(1, residual=residual)
    check_reward_model(bound, encoded_of(bound), np.stack([small_context(0), small_context(1)]), tmp_path)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000), st.booleans(), st.fixed_dictionaries({p: st.booleans() for p in ("own", "pair", "context")})
)
def test_every_way_of_asking_agrees(seed: int, residual: bool, parts: dict[str, bool]) -> None:
    bound = small_model(seed, residual=residual, **parts)
    for product in range(3):
        check_scores_agree(bound, product, small_context(seed))
        check_centred(bound, product, small_context(seed))


def test_uplift_by_the_formula() -> None:
    """features(combination) - features(the pool's mean element), times the weights, plus centred element effects."""
    bound = small_model(5)
    layout, context = bound.model.layout, small_context(2)
    for product in range(3):
        space = legal_space(bound.catalogue, product)
        rows = rows_of(space, sampled(space))
        means = [bound.reference(product, c) for c in range(layout.num_slots)]
        u = np.repeat(context[None], len(rows), axis=0)
        shown = layout.features([bound.latents[rows[:, c]] for c in range(layout.num_slots)], rows == EMPTY, u)
        average = layout.features(
            [mean[0][None] for mean in means], np.array([[mean[1] for mean in means]]), context[None]
        )
        expected = (shown - average) @ bound.model.theta
        expected += bound.element_mean[rows].sum(axis=1) - sum(mean[2] for mean in means)
        np.testing.assert_allclose(uplift_of(bound, product, rows, context), expected, atol=2e-5)


def test_mean_uplift_over_the_whole_pool_is_zero() -> None:
    """Over all 4 * 3 * 4 * 4 * 4 combinations, the empty tag and the shared one included."""
    bound, context = small_model(2), small_context()
    for product in range(3):
        space = legal_space(bound.catalogue, product)
        rows = rows_of(space, space.enumerate(10_000))
        assert len(rows) == 768
        assert uplift_of(bound, product, rows, context).mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)


def test_rules_leave_every_score_alone() -> None:
    """The pool is taken before rules: a pin or a block narrows the choice, not the scale."""
    plain = small_model(3)
    ruled = bind_small(
        plain.model, small_catalogue(rules=(Pin("title", "p0.title2"), Block("p0.tag1"), Block("p2.image0")))
    )
    for product in (0, 2):
        rows = rows_of(legal_space(ruled.catalogue, product), sampled(legal_space(ruled.catalogue, product)))
        np.testing.assert_array_equal(
            uplift_of(ruled, product, rows, small_context()), uplift_of(plain, product, rows, small_context())
        )


def edited(catalogue: Catalogue, status: str = "approved") -> Catalogue:
    """The catalogue with a new title, a new tag and a new note of p0, and one of its images blocked."""
    new = pl.DataFrame(
        {
            "element_id": ["p0.title9", "p0.tag9", "p0.note9"],
            "product_id": ["p0"] * 3,
            "component": ["title", "tag", "note"],
        }
    ).with_columns(text=pl.lit(None, pl.String), image_uri=pl.lit(None, pl.String), status=pl.lit(status))
    elements = catalogue.elements.with_columns(
        status=pl.when(pl.col("element_id") == "p0.image2").then(pl.lit("blocked")).otherwise(pl.col("status"))
    )
    return replace(catalogue, elements=pl.concat([elements, new]))


def test_a_catalogue_edit_changes_no_other_prediction() -> None:
    """New elements of p0, one blocked: what p0's other elements and the other products score is the same number."""
    before = small_model(4)
    after = bind_small(before.model, edited(before.catalogue))
    context = small_context(1)
    for product in range(3):
        space = legal_space(before.catalogue, product)
        rows = rows_of(space, sampled(space))
        if product == 0:
            rows = rows[rows[:, 1] != before.catalogue.element_rows["p0.image2"]]
        np.testing.assert_allclose(
            uplift_of(after, product, rows, context), uplift_of(before, product, rows, context), atol=1e-6
        )
        kept = (
            space.candidates
            if product
            else tuple(
                np.setdiff1d(c, [before.catalogue.element_rows["p0.image2"]]).astype(np.int32) for c in space.candidates
            )
        )
        for own, again in zip(
            before.tables(product, context, kept).own, after.tables(product, context, kept).own, strict=True
        ):
            np.testing.assert_allclose(own, again, atol=1e-6)


def test_a_new_element_is_scored_by_content_alone() -> None:
    before = small_model(4)
    after = bind_small(before.model, edited(before.catalogue))
    row = after.catalogue.element_rows["p0.title9"]
    assert after.element_mean[row] == 0
    assert after.element_var[row] == pytest.approx(before.model.element_variance)
    twin_content, _ = small_content(after.catalogue)
    assert np.abs(twin_content[row]).sum() > 0
    projection = before.model.projections[0]
    np.testing.assert_allclose(
        after.latents[row], (twin_content[row] - projection.mean) @ projection.loading, rtol=1e-5
    )


def test_an_unseen_product_takes_its_pool_from_the_catalogue() -> None:
    bound = small_model(4)
    mean, empty, effect = bound.reference(2, 3)
    pool = bound.catalogue.candidates(2, 3)
    np.testing.assert_allclose(mean, bound.latents[pool].mean(axis=0), rtol=1e-6)
    assert empty == pytest.approx(1 / 4)
    assert effect == pytest.approx(float(bound.element_mean[pool].mean()), abs=1e-6)


def test_all_references_at_once_are_the_references_one_by_one() -> None:
    bound = small_model(6)
    mean, empty, effect = bound.references
    for product in range(3):
        for slot in range(5):
            one = bound.reference(product, slot)
            np.testing.assert_allclose(mean[product, slot], one[0], atol=1e-6)
            assert empty[product, slot] == pytest.approx(one[1])
            assert effect[product, slot] == pytest.approx(one[2], abs=1e-6)


def test_appeal_of_known_and_unseen_products() -> None:
    bound, context = small_model(0), small_context()
    weights = bound.model.appeal.context_weights
    assert bound.appeal(0, context) == pytest.approx(-3.0 + context @ weights)
    assert bound.appeal(1, context) == pytest.approx(-2.5 + context @ weights)
    assert bound.appeal(2, context) == pytest.approx(-3.0 + 0.2 * 1.0 + context @ weights)
    both = bound.appeal(np.array([0, 1]), np.stack([context, context]))
    assert both[1] - both[0] == pytest.approx(0.5)


def test_empty_slot_reads_its_own_weight_and_no_content() -> None:
    """Own part only: filling the tag moves the uplift by z . query - empty."""
    bound = small_model(7, pair=False)
    context, layout = small_context(), bound.model.layout
    tag = bound.catalogue.element_rows["p0.tag0"]
    base = rows_of(legal_space(bound.catalogue, 0), sampled(legal_space(bound.catalogue, 0), num=1))
    filled, empty = base.copy(), base.copy()
    filled[0, 3], empty[0, 3] = tag, EMPTY
    moved = uplift_of(bound, 0, filled, context) - uplift_of(bound, 0, empty, context)
    weights = layout.effective(bound.model.theta)
    use = np.append(1.0, context)
    expected = bound.latents[tag] @ (use @ weights.query[3]) + bound.element_mean[tag] - weights.empty[3]
    assert float(moved[0]) == pytest.approx(float(expected), abs=1e-5)


def test_tables_under_other_weights_and_without_elements() -> None:
    bound, context = small_model(8), small_context()
    space = legal_space(bound.catalogue, 0)
    positions = sampled(space)
    zero = bound.model.layout.effective(np.zeros(bound.model.layout.num_weights))
    only_elements = score(bound.tables(0, context, space.candidates, zero), positions)
    rows = rows_of(space, positions)
    effect = sum(bound.reference(0, c)[2] for c in range(5))
    np.testing.assert_allclose(only_elements, bound.element_mean[rows].sum(axis=1) - effect, atol=1e-5)
    nothing = score(bound.tables(0, context, space.candidates, zero, with_elements=False), positions)
    np.testing.assert_array_equal(nothing, 0)
