"""The value of a run's decision policy from logs of a world whose truth is known, and what is refused."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from genco.errors import DataError, SupportError
from genco.evaluation.held_out import ALL, HELD_OUT, OTHER_DATA
from genco.evaluation.ope.interaction_share import interaction_share
from genco.evaluation.ope.logged_rows import read_log
from genco.evaluation.ope.policy_value import policy_value
from genco.evaluation.ope.served import positions_of, served, weighted_draws
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.runtime.additive_tables import AdditiveTables
from genco.runtime.event_value import EventValue
from genco.simulator.scenarios import SCENARIOS
from genco.simulator.simulate import simulate
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.writer import DatasetWriter

NAMES = ("ips", "snips", "clipped_ips", "direct_method", "doubly_robust", "switch_dr", "pseudo_inverse")


def quiet(stage: str, values: dict[str, float]) -> None: ...


def rewritten(pairs: Dataset, folder: Path, change: Any) -> Dataset:
    """The dataset with its log changed."""
    log = pl.concat([pl.read_parquet(file.path) for file in pairs.files])
    with DatasetWriter(folder, pairs.meta) as writer:
        writer.write_products(pairs.catalogue.products)
        writer.write_elements(pairs.catalogue.elements)
        writer.append_impressions(change(log))
    return open_dataset(folder)


@pytest.fixture(scope="module")
def other(pairs: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Another log of the same world: 60,000 impressions of it, all new."""
    scenario = SCENARIOS["pairs_dense"]
    sizes = {"title": 5, "image": 5, "tag": 4}
    parts = tuple(replace(c, num_candidates=sizes[c.name]) for c in scenario.components if c.name in sizes)
    simulation = simulate(replace(scenario, num_products=40, components=parts), 140_000, 1)
    log = pl.concat(list(simulation.impressions())).slice(80_000)
    return rewritten(pairs, tmp_path_factory.mktemp("other") / "log", lambda _: log)


@pytest.fixture(scope="module")
def measured(pairs_optimizer: Optimizer, other: Dataset) -> dict[str, Any]:
    return policy_value(pairs_optimizer, other, num_rows=60_000)


def true_values(optimizer: Optimizer, truth: Truth) -> tuple[float, float]:
    """True value of the decision policy, and of uniform play, over all requests."""
    served_value, uniform = [], []
    for product in range(optimizer.catalogue.num_products):
        for number, name in enumerate(truth.context_values):
            request = optimizer.policy.request(product, optimizer.context({str(truth.context_name): name}))
            positions = request.space.enumerate(1_000)
            rows = optimizer.policy.rows(request.space, positions)
            at = (np.full(len(rows), index, dtype=np.int32) for index in (product, number))
            rate = 1 / (1 + np.exp(-truth.logit(*at, rows)))
            served_value.append(optimizer.policy.decide(request).propensity(positions) @ rate)
            uniform.append(rate.mean())
    return float(np.mean(served_value)), float(np.mean(uniform))


def test_intervals_hold_the_truth(measured: dict[str, Any], pairs_optimizer: Optimizer, pairs_truth: Truth) -> None:
    value, uniform = true_values(pairs_optimizer, pairs_truth)
    assert measured["logging_policy.value"] == pytest.approx(uniform, rel=0.05)
    for name in ("ips", "snips", "doubly_robust"):
        assert measured[f"{name}.low"] < value < measured[f"{name}.high"]
        assert measured[f"{name}.difference_low"] < value - uniform < measured[f"{name}.difference_high"]
        assert measured[f"{name}.verdict"] == "better"
    assert measured["verdict"] == "better"
    assert measured["mean_weight"] == pytest.approx(1, abs=4 * measured["mean_weight_se"])
    assert (measured["rows_evaluated"], measured["rows_from"]) == (60_000, OTHER_DATA)


def test_the_slate_estimator_is_warned_about(
    measured: dict[str, Any], pairs_optimizer: Optimizer, pairs_truth: Truth
) -> None:
    value, _ = true_values(pairs_optimizer, pairs_truth)
    assert measured["pseudo_inverse.high"] < 0.8 * value
    assert measured["pseudo_inverse.interaction_share"] > 0.1
    assert "pair effects carry" in measured["pseudo_inverse.warning"]
    assert measured["pseudo_inverse.verdict"] == "cannot tell"


def test_every_estimator_is_there(measured: dict[str, Any]) -> None:
    assert [key.removesuffix(".verdict") for key in measured if key.endswith(".verdict")] == list(NAMES)
    assert measured["clipped_ips.verdict"] != "worse"
    assert measured["clipped_ips.value"] < measured["ips.value"]


def test_too_short_a_log_is_refused(pairs_optimizer: Optimizer, pairs: Dataset) -> None:
    """The run's own data: only what it held out counts, which is too little for 100 combinations."""
    log = read_log(pairs_optimizer, pairs, 100_000, 0, quiet)
    assert log.chosen_from == HELD_OUT and 0 < log.num_eligible < pairs.num_rows / 2
    with pytest.raises(SupportError, match=r"effective sample size should be at least 400. Found \d+\.\d of"):
        policy_value(pairs_optimizer, pairs)


def test_no_propensity_is_refused(pairs_optimizer: Optimizer, pairs: Dataset, tmp_path: Path) -> None:
    without = rewritten(pairs, tmp_path / "log", lambda log: log.drop("propensity").head(500))
    with pytest.raises(SupportError, match=r"needs logged propensities. Found none in 500 rows"):
        policy_value(pairs_optimizer, without)


def test_wrong_propensities_are_refused(pairs_optimizer: Optimizer, other: Dataset, tmp_path: Path) -> None:
    doubled = rewritten(other, tmp_path / "log", lambda log: log.with_columns(pl.col("propensity") * 2))
    with pytest.raises(SupportError, match=r"mean importance weight should be 1. Found 0\.\d+"):
        policy_value(pairs_optimizer, doubled)


def test_a_run_that_held_nothing_out_says_so(
    pairs_optimizer: Optimizer, other: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = pairs_optimizer.run.info
    changed = {**info, "fingerprint": other.fingerprint(), "measured": {**info["measured"], "split_by": "none"}}
    monkeypatch.setattr(pairs_optimizer.run, "info", changed)
    found = policy_value(pairs_optimizer, other, num_rows=50_000)
    assert found["rows_from"] == ALL and found["rows_evaluated"] == 50_000
    assert "trained on these rows" in found["doubly_robust.warning"]


def test_samples_are_seeded_and_aggregated_rows_are_their_impressions(
    pairs_optimizer: Optimizer, pairs: Dataset, tmp_path: Path
) -> None:
    def merged(log: pl.DataFrame) -> pl.DataFrame:
        keys = [
            name for name in log.columns if name not in ("impression_id", "timestamp", "num_impressions", "num_clicks")
        ]
        return (
            log.head(30_000)
            .group_by(keys, maintain_order=True)
            .agg(pl.col("num_impressions").sum(), pl.col("num_clicks").sum())
        )

    aggregated = rewritten(pairs, tmp_path / "log", merged)
    rows = read_log(pairs_optimizer, aggregated, 100_000, 0, quiet).rows
    assert rows.count.sum() == pytest.approx(30_000)
    assert set(rows.reward) == {0.0, 1.0}
    one, same, another = (read_log(pairs_optimizer, aggregated, 500, seed, quiet).rows for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.product, same.product)
    assert len(one) >= 500 and not np.array_equal(one.key[:100], another.key[:100])


def test_served_is_the_decision(pairs_optimizer: Optimizer, pairs: Dataset) -> None:
    rows = read_log(pairs_optimizer, pairs, 300, 0, quiet).rows
    answers = served(pairs_optimizer.policy, rows, quiet)
    assert answers.servable.all()
    for row in (0, 100, 200):
        request = pairs_optimizer.policy.request(int(rows.product[row]), rows.context[row])
        decision = pairs_optimizer.policy.decide(request)
        positions = request.space.enumerate(1_000)
        chance = decision.propensity(positions)
        predicted = pairs_optimizer.policy.click_probability(request, pairs_optimizer.policy.scores(request, positions))
        mine = positions_of(request, rows.combination[row][None])
        assert answers.evaluation_prob[row] == decision.propensity(mine)[0]
        assert answers.expected[row] == pytest.approx(chance @ predicted, rel=0.02)
        for slot in range(3):
            exact = chance[positions[:, slot] == mine[0, slot]].sum()
            assert answers.slot_prob[row, slot] == pytest.approx(exact, abs=0.02)
        drawn, weight = weighted_draws(decision, np.random.default_rng(0), 16)
        assert weight.sum() == pytest.approx(1) and request.space.is_legal(drawn).all()


def test_an_element_that_is_no_candidate_is_never_served(pairs_optimizer: Optimizer) -> None:
    request = pairs_optimizer.policy.request(0, pairs_optimizer.context())
    foreign = np.array([[pairs_optimizer.catalogue.num_elements - 1, 0, -1]], dtype=np.int32)
    positions = positions_of(request, foreign)
    assert positions[0, 0] == positions[0, 2] == -1
    assert pairs_optimizer.policy.decide(request).propensity(positions).tolist() == [0]


def test_interaction_share_by_hand() -> None:
    own = (np.array([1.0, -1.0], dtype=np.float32), np.zeros(2, dtype=np.float32))
    factors = tuple(np.array([[1.0], [-1.0]], dtype=np.float32) for _ in range(2))
    pair = {(0, 1): np.array([[2.0]], dtype=np.float32)}
    assert interaction_share(AdditiveTables(own, factors, pair)) == pytest.approx(4 / 5)
    assert interaction_share(AdditiveTables(own, factors, {})) == 0
    nothing = tuple(np.zeros(2, dtype=np.float32) for _ in range(2))
    assert interaction_share(AdditiveTables(nothing, factors, {})) == 0


def test_revenue_rows_by_hand(pairs_optimizer: Optimizer, other: Dataset, tmp_path: Path) -> None:
    """Ten impressions, four clicks, revenue 20: six impressions of nothing and four of 5."""
    columns = {"num_impressions": 10, "num_clicks": 4, "revenue": 20.0}
    log = paid(
        other, tmp_path / "log", lambda log: log.head(1).with_columns(**{k: pl.lit(v) for k, v in columns.items()})
    )
    rows = read_log(pairs_optimizer, log, 10, 0, quiet).rows
    assert list(zip(rows.reward, rows.count, strict=True)) == [(0.0, pytest.approx(6)), (5.0, pytest.approx(4))]


def test_revenue_of_one_price_is_the_value_in_clicks_times_it(
    pairs_optimizer: Optimizer, other: Dataset, tmp_path: Path
) -> None:
    worth_three = copy(pairs_optimizer)
    worth_three.value = EventValue(3.0, {})
    log = paid(other, tmp_path / "log", lambda log: log.head(40_000).with_columns(revenue=3.0 * pl.col("num_clicks")))
    clicks = open_dataset(log.path)
    clicks.meta = replace(log.meta, reward="num_clicks")
    paid_value, click_value = policy_value(worth_three, log), policy_value(worth_three, clicks)
    assert paid_value["verdict"] == click_value["verdict"]
    for name in NAMES:
        assert paid_value[f"{name}.value"] == pytest.approx(3 * click_value[f"{name}.value"])
        for end in ("low", "high", "difference_low", "difference_high"):
            assert paid_value[f"{name}.{end}"] == pytest.approx(3 * click_value[f"{name}.{end}"], rel=0.02, abs=1e-3)


def test_revenue_needs_a_run_trained_on_it(pairs_optimizer: Optimizer, other: Dataset, tmp_path: Path) -> None:
    log = paid(other, tmp_path / "log", lambda log: log.head(10).with_columns(revenue=1.0 * pl.col("num_clicks")))
    with pytest.raises(DataError, match=r"a run trained on it is expected. Found 'num_clicks'"):
        policy_value(pairs_optimizer, log)


def paid(dataset: Dataset, folder: Path, change: Any) -> Dataset:
    """The dataset with its log changed and revenue as its reward."""
    changed = rewritten(dataset, folder, change)
    changed.meta = replace(changed.meta, reward="revenue")
    return changed
