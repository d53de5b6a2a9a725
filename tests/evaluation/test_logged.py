"""Measures on logged rows: predictions are the policy's, packages merge, what cannot be measured says why."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kits.small_models import small_catalogue, small_layout

from genco.evaluation.logged import (
    LoggedRows,
    calibration_of,
    concatenate,
    merge_packages,
    predict,
    ranking_measures,
    seen_content,
)
from genco.policies.optimizer import Optimizer
from genco.storage.dataset import Dataset


def rows_of(optimizer: Optimizer, dataset: Dataset, num: int = 3_000) -> LoggedRows:
    batch = next(iter(dataset.batches()))
    context = optimizer.encoders.context.transform({k: v[:num] for k, v in batch.context.items()}, num)
    uplift, probability = predict(optimizer, batch.product[:num], batch.combination[:num], context, chunk=700)
    return LoggedRows(
        batch.product[:num],
        batch.combination[:num],
        batch.num_impressions[:num],
        batch.reward[:num],
        uplift,
        probability,
    )


def test_predictions_are_what_the_policy_says(card_optimizer: Optimizer, card: Dataset) -> None:
    """Row by row against a request of the same product and context."""
    rows, policy = rows_of(card_optimizer, card, 40), card_optimizer.policy
    batch = next(iter(card.batches()))
    for at in range(40):
        request = policy.request(
            int(rows.product[at]), card_optimizer.context({"segment": batch.context["segment"][at]})
        )
        position = [
            int(np.flatnonzero(c == r)[0]) for c, r in zip(request.space.candidates, rows.combination[at], strict=True)
        ]
        scores = policy.scores(request, np.array([position], dtype=np.int32))
        assert float(rows.uplift[at]) == pytest.approx(float(scores[0]), abs=1e-5)
        assert float(rows.probability[at]) == pytest.approx(
            float(policy.click_probability(request, scores)[0]), abs=1e-6
        )


def test_no_rows_predict_nothing(card_optimizer: Optimizer) -> None:
    uplift, probability = predict(
        card_optimizer,
        np.zeros(0, np.int32),
        np.zeros((0, 6), np.int32),
        np.zeros((0, card_optimizer.encoders.context.dim), np.float32),
    )
    assert uplift.shape == probability.shape == (0,)


def test_packages_merge_by_hand() -> None:
    rows = LoggedRows(
        np.array([0, 0, 1, 0], np.int32),
        np.array([[1, -1], [1, -1], [1, -1], [2, -1]], np.int32),
        np.array([1.0, 3.0, 5.0, 7.0], np.float32),
        np.array([1.0, 0.0, 2.0, 3.0], np.float32),
        np.array([0.0, 4.0, 1.0, 2.0], np.float32),
        np.array([0.1, 0.3, 0.2, 0.4], np.float32),
    )
    found = merge_packages(rows)
    assert found.product.tolist() == [0, 0, 1] and found.combination.tolist() == [[1, -1], [2, -1], [1, -1]]
    assert found.trials.tolist() == [4, 7, 5] and found.reward.tolist() == [1, 3, 2]
    assert found.uplift.tolist() == [3, 2, 1]
    assert found.probability.tolist() == pytest.approx([0.25, 0.4, 0.2])


def test_concatenation() -> None:
    one = LoggedRows(*(np.zeros(2, np.int32),), np.zeros((2, 1), np.int32), *(np.ones(2, np.float32),) * 4)
    assert len(concatenate([one, one]).product) == 4 and concatenate([one, one]).combination.shape == (4, 1)


def test_rows_of_equal_content_are_of_one_kind() -> None:
    """The image has no content here, so it tells no rows apart; empty differs from shown."""
    layout = small_layout(small_catalogue(), own_rank=(3, 0, 3, 3), pair_rank=(2, 0, 2, 2))
    latents = np.arange(27, dtype=np.float32).reshape(9, 3)
    latents[-1] = 0
    latents[3] = latents[2]
    combination = np.array([[0, 1, 2, -1, 4], [0, 5, 2, -1, 4], [0, 1, 3, -1, 4], [0, 1, 2, 6, 4], [1, 1, 2, -1, 4]])
    kinds = seen_content(layout, latents, combination)
    assert kinds[0] == kinds[1] == kinds[2]
    assert len({int(kinds[0]), int(kinds[3]), int(kinds[4])}) == 3
    none = small_layout(small_catalogue(), own_rank=(0, 0, 0, 0), pair_rank=(0, 0, 0, 0))
    assert not seen_content(none, latents[:, :0], combination).any()


def test_measures_of_a_trained_run(pairs_optimizer: Optimizer, pairs: Dataset) -> None:
    rows = rows_of(pairs_optimizer, pairs, 20_000)
    found = ranking_measures(pairs_optimizer, rows)
    assert found["ranking.auc"] > 0.65 and found["ranking.grouped_auc"] > 0.6
    assert found["ranking.significant_pairs"] > 0.7 and found["ranking.pick_lift"] > 1.2
    assert 0 < calibration_of(rows).error < 0.02


def test_what_cannot_be_measured_says_why(pairs_optimizer: Optimizer, pairs: Dataset) -> None:
    rows = rows_of(pairs_optimizer, pairs, 500)
    nothing = LoggedRows(**{**vars(rows), "reward": np.zeros_like(rows.reward)})
    found = ranking_measures(pairs_optimizer, nothing)
    for name in ("auc", "grouped_auc", "significant_pairs", "pick_lift"):
        assert found[f"ranking.{name}"] is None and found[f"ranking.{name}_reason"]
    assert np.isfinite(found["ranking.log_loss"])
    one = ranking_measures(pairs_optimizer, LoggedRows(**{name: values[:1] for name, values in vars(rows).items()}))
    assert one["ranking.pick_lift"] is None
