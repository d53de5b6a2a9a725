"""Everything `genco evaluate` reports: values between random play and the oracle, and reasons where there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.kits.small_dataset import IMPRESSIONS
from tests.training.test_train import QUICK, written

from genco.evaluation.evaluate import VALUE_KEYS, evaluate, held_out_rows, smoothed_rates, value_measures
from genco.policies.optimizer import Optimizer, load
from genco.protocols import Truth
from genco.simulator.truth import truth_of
from genco.storage.dataset import Dataset
from genco.storage.runs import RunFolder
from genco.training.config import config_from
from genco.training.train import train


@pytest.fixture(scope="module")
def measured(pairs_optimizer: Optimizer, pairs: Dataset, pairs_truth: Truth) -> dict[str, Any]:
    return evaluate(pairs_optimizer, pairs, pairs_truth, num_requests=80)


def test_the_planted_truth_is_found_and_beats_independent_components(measured: dict[str, Any]) -> None:
    """Own and pair terms reach most of what content allows; the best element of every slot alone far less."""
    assert measured["value.reward_model_argmax"] > 0.7
    assert measured["value.refined"] > measured["value.independent_components"] + 0.2
    assert measured["value.served"] > 0.6
    assert measured["value.generator_top1"] > 0.6
    assert measured["value.content_ceiling"] > measured["value.refined"] - 0.1
    assert (
        measured["value.uniform_click_probability"]
        < measured["calibration.chosen_actual"]
        < measured["value.oracle_click_probability"]
    )
    assert measured["value.reference"] == "enumerated"


def test_every_figure_has_its_error_or_its_reason(measured: dict[str, Any]) -> None:
    for key in VALUE_KEYS:
        assert 0 < measured[f"value.{key}_se"] < 0.3 and measured[f"value.{key}"] <= 1
    assert measured["diversity.distinct_at_16"] == 16
    assert 1 <= measured["diversity.mean_hamming"] <= 3
    assert measured["calibration.ece"] < 0.05 and measured["calibration.ece_chosen"] < 0.1
    assert all(isinstance(v, (int, float, str, bool)) for v in measured.values())
    json.dumps(measured, allow_nan=False)


def test_same_seed_same_figures(
    pairs_optimizer: Optimizer, pairs: Dataset, pairs_truth: Truth, pairs_run: RunFolder
) -> None:
    one, other, third = (
        evaluate(o, pairs, pairs_truth, num_requests=5, seed=seed)
        for o, seed in ((pairs_optimizer, 3), (load(pairs_run.path), 3), (pairs_optimizer, 4))
    )
    assert one == other and one["value.refined"] != third["value.refined"]


def test_only_rows_held_out_are_ranked_on_the_runs_own_data(pairs_optimizer: Optimizer, pairs: Dataset) -> None:
    rows = held_out_rows(pairs_optimizer, pairs)
    assert rows is not None
    assert len(rows.product) == pairs_optimizer.run.info["measured"]["reward_model"]["held_out_rows"] == 3_000


def test_all_rows_of_other_data_are_ranked(card_optimizer: Optimizer, card: Dataset) -> None:
    optimizer = load(card_optimizer.run.path)  # its own: the shared one keeps its data
    optimizer.run.info = {**optimizer.run.info, "fingerprint": "other data"}
    rows = held_out_rows(optimizer, card)
    assert rows is not None and len(rows.product) == card.num_rows


def test_the_demo_card_under_rules(card_optimizer: Optimizer, card: Dataset) -> None:
    found = evaluate(card_optimizer, card, truth_of(card), num_requests=8)
    assert found["value.reference"] == "enumerated"
    assert found["attribution.largest_sum_error"] < 1e-5
    assert found["attribution.shapley_audit_largest"] < 1e-5
    for key in VALUE_KEYS:
        assert found[f"value.{key}"] <= 1 + 1e-9, key


def test_chosen_products_only(pairs_optimizer: Optimizer, pairs: Dataset, pairs_truth: Truth) -> None:
    one = evaluate(pairs_optimizer, pairs, pairs_truth, num_requests=6, products=np.array([7]))
    every = pairs_optimizer.policy.request(7, pairs_optimizer.context())
    rows = pairs_optimizer.policy.rows(every.space, every.space.enumerate(1_000))
    rates = [
        1 / (1 + np.exp(-pairs_truth.logit(np.full(len(rows), 7, np.int32), np.full(len(rows), c, np.int32), rows)))
        for c in range(6)
    ]
    assert min(r.max() for r in rates) <= one["value.oracle_click_probability"] <= max(r.max() for r in rates)


def test_no_drawable_request_says_so(pairs_optimizer: Optimizer, pairs: Dataset, pairs_truth: Truth) -> None:
    """Every element is blocked since: no product has a legal combination, and no value can be had."""
    blocked = replace(pairs.catalogue, elements=pairs.catalogue.elements.with_columns(status=pl.lit("blocked")))
    optimizer = pairs_optimizer.on(blocked)
    found = value_measures(optimizer, pairs_truth, np.arange(40), 5, 0, lambda stage, values: None)
    for key in (*(f"value.{k}" for k in VALUE_KEYS), "diversity.distinct_at_16", "calibration.ece_chosen"):
        assert found[key] is None and "legal combination" in found[f"{key}_reason"]


def test_data_without_truth_say_so(tmp_path: Path) -> None:
    dataset = written(tmp_path / "data")
    optimizer = load(train(dataset, tmp_path / "run", config_from(QUICK)).path)
    found = evaluate(optimizer, dataset, None)
    assert found["requests"] == 0
    for key in (*(f"value.{k}" for k in VALUE_KEYS), "attribution.spearman", "calibration.ece_chosen"):
        assert found[key] is None and "no truth" in found[f"{key}_reason"]
    assert found["diversity.distinct_at_16"] == pytest.approx(3.0, abs=1.1)


def test_a_log_without_rows_to_rank_says_so(tmp_path: Path) -> None:
    dataset = written(tmp_path / "data")
    optimizer = load(train(dataset, tmp_path / "run", config_from(QUICK)).path)
    empty = written(tmp_path / "empty", IMPRESSIONS.head(0))
    found = evaluate(optimizer, empty, None)
    assert found["rows_evaluated"] == 0
    assert found["ranking.auc"] is None and found["ranking.auc_reason"] == "no row to evaluate on"
    nothing_shown = written(
        tmp_path / "zero", IMPRESSIONS.with_columns(num_impressions=pl.lit(0), num_clicks=pl.lit(0))
    )
    assert evaluate(optimizer, nothing_shown, None)["rows_evaluated"] == 0


def test_smoothed_rates_by_hand(pairs_optimizer: Optimizer) -> None:
    """(rewards + 50 * the product's rate) / (impressions + 50); an element never logged has the product's rate."""
    counts = pairs_optimizer.run.read_table("elements")
    catalogue = pairs_optimizer.catalogue
    pool = np.concatenate([catalogue.pool(3, slot) for slot in range(3)])
    trials, reward = counts["num_impressions"].to_numpy(), counts["num_rewards"].to_numpy()
    mean = (reward[pool].sum() + 1e-3) / (trials[pool].sum() + 1e-1)
    found = smoothed_rates(pairs_optimizer)(3, np.array([pool[0], -1], dtype=np.int32))
    assert found[0] == pytest.approx((reward[pool[0]] + 50 * mean) / (trials[pool[0]] + 50))
    assert found[1] == pytest.approx(mean)
