"""Stage 2 from a dataset: planted truth comes back, parts can be off, the residual on; degenerate data survive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.kits.reward_model import check_reward_model
from tests.kits.small_dataset import ELEMENTS, IMPRESSIONS, PRODUCTS, small_meta

from genco.data.catalogue import Slot
from genco.data.hashed_text import HashedText
from genco.data.splits import Split
from genco.errors import DataError
from genco.protocols import Truth
from genco.runtime.residual import AttentionResidualArrays
from genco.runtime.reward_model import BoundRewardModel
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.writer import DatasetWriter
from genco.training.reward_model_config import RewardModelConfig
from genco.training.stage_two import StageTwo, _pair_ranks, fit_stage_two

NOTHING_HELD_OUT = Split("none")
SMALL = {"max_own_rank": 4, "max_pair_rank": 2}


def fitted(dataset: Dataset, split: Split = NOTHING_HELD_OUT, text: bool = False, **changes: Any) -> StageTwo:
    config = RewardModelConfig(**{"residual": "off", "max_own_rank": 8, "max_pair_rank": 4, **changes})
    return fit_stage_two(dataset, split, config, HashedText(16) if text else None, 0, lambda stage, values: None)


def bound_of(found: StageTwo) -> BoundRewardModel:
    encoded = found.encoded
    return found.model.bind(encoded.catalogue, encoded.content, encoded.kinds, encoded.products)


def uplifts(found: StageTwo, truth: Truth, num: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Estimated and true uplift of random rows, the latter centred within product and context."""
    bound, rng = bound_of(found), np.random.default_rng(0)
    catalogue = found.encoded.catalogue
    product = rng.integers(catalogue.num_products, size=num).astype(np.int32)
    context = rng.integers(len(truth.context_values), size=num)
    combination = np.stack([[rng.choice(catalogue.pool(p, c)) for c in range(catalogue.num_slots)] for p in product])
    encoded = found.encoders.context.transform({"segment": np.array(truth.context_values)[context]})
    estimated = bound.uplift(product, combination.astype(np.int32), encoded)
    true = np.empty(num)
    for p in np.unique(product):
        at = product == p
        pools = [catalogue.pool(int(p), c) for c in range(catalogue.num_slots)]
        every = np.stack([axis.ravel() for axis in np.meshgrid(*pools, indexing="ij")], axis=1).astype(np.int32)
        for c in np.unique(context[at]):
            here = at & (context == c)
            whole = truth.logit(np.full(len(every), p, np.int32), np.full(len(every), c, np.int32), every).mean()
            chosen = combination[here].astype(np.int32)
            true[here] = (
                truth.logit(np.full(len(chosen), p, np.int32), np.full(len(chosen), c, np.int32), chosen) - whole
            )
    return estimated, true


@pytest.fixture(scope="session")
def pairs_two(pairs: Dataset) -> StageTwo:
    return fitted(pairs)


def test_planted_truth_comes_back(pairs_two: StageTwo, pairs_truth: Truth) -> None:
    estimated, true = uplifts(pairs_two, pairs_truth)
    assert np.corrcoef(estimated, true)[0, 1] > 0.55
    assert np.polyfit(estimated, true, 1)[0] == pytest.approx(1.0, abs=0.3)


def test_pairs_are_what_makes_the_difference(pairs: Dataset, pairs_two: StageTwo, pairs_truth: Truth) -> None:
    """Independent components explain less of the truth; what it is worth in clicks see tests/evaluation."""
    estimated, true = uplifts(pairs_two, pairs_truth)
    alone, _ = uplifts(fitted(pairs, pair=False), pairs_truth)
    explained = [np.corrcoef(found, true)[0, 1] ** 2 for found in (estimated, alone)]
    assert explained[0] > explained[1] + 0.03


def test_conforms(pairs_two: StageTwo, tmp_path: Path) -> None:
    check_reward_model(bound_of(pairs_two), pairs_two.encoded, pairs_two.contexts[:2], tmp_path)


def test_a_card_with_texts_rules_and_an_optional_tag_conforms(card: Dataset, tmp_path: Path) -> None:
    found = fitted(card, text=True, **SMALL)
    check_reward_model(bound_of(found), found.encoded, found.contexts[:2], tmp_path)
    names = [block.name for block in found.model.layout.blocks]
    assert "empty:tag" in names and "pair:highlight|highlight" in names


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"own": False}, {"own"}),
        ({"pair": False}, {"pair"}),
        ({"context": False}, {"context"}),
    ],
    ids=str,
)
def test_a_part_off_has_no_block(pairs: Dataset, changes: dict[str, bool], absent: set[str]) -> None:
    found = fitted(pairs, **changes, max_rounds=3)
    assert not absent & {block.kind for block in found.model.layout.blocks}
    assert len(found.model.theta) == found.model.layout.num_weights
    assert set(found.measured["block_sd"]) == {block.name for block in found.model.layout.blocks}


def test_own_context_off_leaves_the_shared_block(pairs: Dataset) -> None:
    found = fitted(pairs, own_context=False, max_rounds=3)
    assert [block.name for block in found.model.layout.blocks if block.kind == "context"] == ["context:0"]


def test_element_effects_off(pairs: Dataset) -> None:
    found = fitted(pairs, element_effects=False, exposure_control=False, max_rounds=4)
    assert found.model.element_effect == {} and found.model.element_variance == 0
    assert not bound_of(found).element_var.any()


def test_appeal_off_gives_every_product_the_same(pairs: Dataset) -> None:
    found = fitted(pairs, appeal=False, max_rounds=3)
    assert np.ptp(bound_of(found).appeal_base) < 1e-6


def test_everything_off_but_appeal(pairs: Dataset) -> None:
    found = fitted(
        pairs, own=False, pair=False, context=False, element_effects=False, exposure_control=False, max_rounds=3
    )
    estimated = bound_of(found).uplift(*_first_row(found))
    assert found.model.layout.num_weights == 0 and not estimated.any()


def _first_row(found: StageTwo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    catalogue = found.encoded.catalogue
    row = np.array([[catalogue.pool(0, c)[0] for c in range(catalogue.num_slots)]], dtype=np.int32)
    return np.zeros(1, np.int32), row, found.contexts[:1]


def test_same_seed_same_bits(card: Dataset) -> None:
    from genco.runtime.model_arrays import reward_model_arrays

    a, b = (
        reward_model_arrays(fitted(card, Split("product", 0.2), True, **SMALL, residual="on", max_rounds=3).model)[0]
        for _ in range(2)
    )
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_residual_on_is_kept_and_served(card: Dataset, tmp_path: Path) -> None:
    """Forced on, it is part of every score, of the attribution and of the saved model."""
    found = fitted(card, Split("product", 0.3), True, **SMALL, residual="on", max_rounds=3)
    assert isinstance(found.model.residual, AttentionResidualArrays) and found.measured["residual_kept"]
    bound = bound_of(found)
    check_reward_model(bound, found.encoded, found.contexts[:2], tmp_path)
    without = replace(bound, model=replace(bound.model, residual=None))
    assert not np.array_equal(bound.uplift(*_first_row(found)), without.uplift(*_first_row(found)))


def test_calibration_is_fitted_on_the_uplift_that_is_served(card: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from genco.runtime.calibration import fit_calibration
    from genco.training import stage_two

    seen: list[np.ndarray] = []

    def listening(
        appeal: np.ndarray, uplift: np.ndarray, trials: np.ndarray, reward: np.ndarray
    ) -> tuple[float, float]:
        seen.append(uplift)
        return fit_calibration(appeal, uplift, trials, reward)

    monkeypatch.setattr(stage_two, "fit_calibration", listening)
    split = Split("product", 0.3)
    found = fitted(card, split, True, **SMALL, residual="on", max_rounds=3)
    rows = [(b, split.held_out(b, card.catalogue)) for b in card.batches()]
    served = []
    for batch, held_out in rows:
        context = found.encoders.context.transform(
            {k: v[held_out] for k, v in batch.context.items()}, int(held_out.sum())
        )
        served.append(bound_of(found).uplift(batch.product[held_out], batch.combination[held_out], context))
    np.testing.assert_allclose(seen[-1], np.concatenate(served), atol=2e-4)


def test_exposure_without_element_effects_is_served_too(card: Dataset) -> None:
    """What exposure tells of elements stays in the model where their own spread is not learned."""
    found = fitted(card, text=True, **SMALL, element_effects=False, max_rounds=3)
    assert found.model.element_variance == 0
    assert any(mean for mean, _ in found.model.element_effect.values())
    assert not fitted(
        card, text=True, **SMALL, element_effects=False, exposure_control=False, max_rounds=3
    ).model.element_effect


def test_residual_without_held_out_rows(card: Dataset) -> None:
    assert fitted(card, text=True, **SMALL, residual="auto", max_rounds=2).model.residual is None
    assert fitted(card, text=True, **SMALL, residual="on", max_rounds=2).model.residual is not None


def test_held_out_rows_calibrate_and_are_not_learned_from(pairs: Dataset) -> None:
    found = fitted(pairs, Split("product", 0.2), max_rounds=3)
    assert found.measured["train_rows"] + found.measured["held_out_rows"] == pairs.num_rows
    assert 0 < found.measured["held_out_rows"] < pairs.num_rows / 2
    assert len(found.model.appeal.product_effect) < pairs.catalogue.num_products
    assert found.model.calibration != (1.0, 0.0)
    assert fitted(pairs, max_rounds=2).model.calibration == (1.0, 0.0)


def test_element_counts_are_those_of_the_log(card: Dataset) -> None:
    found = fitted(card, text=True, **SMALL, max_rounds=1)
    first = sum(len(batch) for batch in card.batches())
    assert found.element_trials.sum() == pytest.approx(
        sum(float((batch.combination >= 0).sum()) for batch in card.batches()), rel=1e-6
    )
    assert found.context_share.sum() == pytest.approx(1) and first == card.num_rows


def small(tmp_path: Path, elements: pl.DataFrame = ELEMENTS, rows: pl.DataFrame = IMPRESSIONS, **meta: Any) -> Dataset:
    with DatasetWriter(tmp_path / "data", small_meta(**meta)) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(elements)
        if rows.height:
            writer.append_impressions(rows)
    return open_dataset(tmp_path / "data")


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no impressions to learn from"):
        fitted(small(tmp_path, rows=IMPRESSIONS.head(0)))


def test_nothing_left_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no impressions to learn from"):
        fitted(small(tmp_path), Split("time", -1.0))


def test_many_elements_without_content_leave_pairs_out_where_they_would_be_too_many() -> None:
    """40 titles, 60 highlights (three slots), 36 tags without content: 10,000 weights if all were paired."""
    slots, ranks, identity = (0, 1, 2, 2, 2, 3), [40, 8, 60, 36], [True, False, True, True]
    assert _pair_ranks(slots, ranks, identity, 4) == (40, 4, 0, 36)
    assert _pair_ranks(slots, [10, 8, 10, 5], identity, 4) == (10, 4, 10, 5)
    assert _pair_ranks((0,), [500], [True], 4) == (500,)
    assert _pair_ranks((0, 1), [90, 90], [False, False], 60) == (60, 60)


DEGENERATE: dict[str, tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]] = {
    "twelve rows": (ELEMENTS, IMPRESSIONS, {}),
    "one row": (ELEMENTS, IMPRESSIONS.head(1), {}),
    "no clicks": (ELEMENTS, IMPRESSIONS.with_columns(num_clicks=pl.lit(0)), {}),
    "clicks only": (ELEMENTS, IMPRESSIONS.with_columns(num_clicks=pl.col("num_impressions")), {}),
    "one product": (ELEMENTS, IMPRESSIONS.filter(pl.col("product_id") == "p1"), {}),
    "one slot": (ELEMENTS, IMPRESSIONS.drop("badge"), {"slots": (Slot("title", "title"),)}),
    "no context": (ELEMENTS, IMPRESSIONS.drop("segment"), {"context": ()}),
    "no content at all": (ELEMENTS.drop("length").with_columns(text=pl.lit(None, pl.String)), IMPRESSIONS, {}),
    "ten kilobytes": (ELEMENTS.with_columns(text=pl.col("text") + "ß🎁绿" * 1_200), IMPRESSIONS, {}),
    "empty badge always": (ELEMENTS, IMPRESSIONS.with_columns(badge=pl.lit(None, pl.String)), {}),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_survive(name: str, tmp_path: Path) -> None:
    elements, rows, meta = DEGENERATE[name]
    found = fitted(small(tmp_path, elements, rows, **meta), text=True)
    assert np.isfinite(found.model.theta).all() and np.isfinite(found.model.covariance).all()
    check_reward_model(bound_of(found), found.encoded, found.contexts[:1], tmp_path)
