"""Training on revenue: the rate as in any run, to the bit, times the value of an event."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.kits.command_line import genco, genco_json
from tests.kits.revenue_dataset import CONVERSIONS, revenue_dataset
from tests.kits.small_dataset import small_meta

from genco.benchmarks.run_report import report_page
from genco.drawings.pictures import Pictures
from genco.errors import DataError
from genco.evaluation.evaluate import evaluate
from genco.evaluation.report_data import report_data
from genco.policies.optimizer import load
from genco.runtime.decision import ProductDecisions
from genco.storage.dataset import Dataset
from genco.storage.runs import RunFolder
from genco.training.config import config_from
from genco.training.train import train

QUICK: dict[str, Any] = {
    "training": {"steps": 30, "requests": 8, "group": 4, "warm_start_steps": 2},
    "reward_model": {"residual": "off", "max_rounds": 2, "max_own_rank": 4},
    "generator": {"width": 8},
}
FILES = ("value.safetensors", "value.json", "reward_model.safetensors", "generator.safetensors")


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return revenue_dataset(tmp_path_factory.mktemp("sales") / "data")


@pytest.fixture(scope="module")
def run(sales: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(sales, tmp_path_factory.mktemp("run") / "a", config_from(QUICK))


def test_the_rate_is_that_of_a_run_on_conversions(run: RunFolder, tmp_path: Path) -> None:
    counts = train(revenue_dataset(tmp_path / "d", reward="num_conversions"), tmp_path / "b", config_from(QUICK))
    for name in FILES[2:]:
        assert (run.path / name).read_bytes() == (counts.path / name).read_bytes()
    assert load(counts.path).generate("p1", k=1)[0].expected_revenue is None
    assert not (counts.path / "value.json").exists()


def test_expected_revenue_is_rate_times_value(run: RunFolder) -> None:
    """The last row is held out. Means: p1 20 (10, 30, 30, 10), p2 4; p1 alone scatters, so noise is 4 / 4 / 6."""
    measured = run.info["measured"]["value"]
    assert (measured["event"], measured["events"], measured["products"]) == ("num_conversions", 11.0, 2)
    assert measured["noise_sd"] ** 2 == pytest.approx(1 / 6)
    assert measured["element_p_value"]["title"] == 1.0 and "warning" not in measured
    optimizer = load(run.path)
    assert optimizer.value is not None and optimizer.meta.reward == "num_conversions"
    assert optimizer.value.of("p1") == pytest.approx(20, rel=0.1) and optimizer.value.of("p2") == pytest.approx(
        4, rel=0.1
    )
    assert optimizer.value.of("p9") == optimizer.value.overall == pytest.approx(measured["overall"])
    for product in ("p1", "p2"):
        for proposal in optimizer.generate(product, k=2):
            assert proposal.expected_revenue == proposal.click_probability * optimizer.value.of(product)
            assert proposal.to_dict()["expected_revenue"] == proposal.expected_revenue


def test_the_value_goes_along_to_other_catalogues(run: RunFolder) -> None:
    """Other statuses, the same data again, a further product: that is worth what products are worth on average."""
    optimizer = load(run.path)
    own = optimizer.catalogue
    same = [
        optimizer.holding(own.elements["status"], own.rules),
        optimizer.on(own, small_meta(reward="revenue")),
        optimizer.under(own, optimizer.policy.decision, ProductDecisions()),
    ]
    expected = optimizer.generate("p1", k=1)[0].expected_revenue
    assert expected is not None and expected > 0
    assert [other.generate("p1", k=1)[0].expected_revenue for other in same] == [expected] * 3
    assert same[1].meta.reward == "num_conversions"
    title = own.elements.filter(element_id="t1").with_columns(element_id=pl.lit("t9"), product_id=pl.lit("p9"))
    grown = optimizer.with_rows(own.products.head(1).with_columns(product_id=pl.lit("p9")), title, ())
    new = grown.generate("p9", k=1)[0]
    assert optimizer.value is not None
    assert new.expected_revenue == new.click_probability * optimizer.value.overall


class ImpatienceError(Exception):
    """What an impatient user does."""


def test_interrupted_and_resumed_is_bit_identical(sales: Dataset, run: RunFolder, tmp_path: Path) -> None:
    def impatient(stage: str, values: dict[str, float]) -> None:
        if stage == "generator" and values["step"] == 27:
            raise ImpatienceError

    with pytest.raises(ImpatienceError):
        train(sales, tmp_path / "run", config_from(QUICK), progress=impatient)
    again = train(sales, tmp_path / "run", config_from(QUICK), resume=True)
    for name in FILES:
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()


def test_evaluation_and_report_judge_the_rate_and_say_so(sales: Dataset, run: RunFolder) -> None:
    optimizer = load(run.path)
    measured = evaluate(optimizer, sales, None, num_requests=2)
    assert measured["rate_of"] == "num_conversions" and measured["ranking.log_loss"] > 0
    data = report_data(optimizer, sales, None)
    assert (data.log.reward_column, data.log.reward) == ("num_conversions", 11.0)
    assert data.log.same_as_trained and data.trained["value"]["event"] == "num_conversions"
    page = report_page(data, Pictures(sales.path), datetime.now(UTC), datetime.now(UTC))
    assert "conversion rate times what one of the conversions is worth" in page and "Warning" not in page


def test_values_that_differ_between_elements_are_warned_about(tmp_path: Path) -> None:
    revenue = pl.Series("revenue", [10.0, 4.0, 0.0, 8.0, 10.0, 0.0, 30.0, 12.0, 0.0, 4.0, 30.0, 0.0])
    run = train(revenue_dataset(tmp_path / "d", CONVERSIONS, revenue), tmp_path / "run", config_from(QUICK))
    assert run.info["measured"]["value"]["element_p_value"]["title"] == 0.0
    assert "differs between elements of slot 'title'" in run.info["measured"]["value"]["warning"]


@pytest.mark.parametrize(("each", "expected"), [(0.0, 0.0), (2.5, 2.5)])
def test_clicks_worth_nothing_or_all_the_same(each: float, expected: float, tmp_path: Path) -> None:
    """No conversion in the log: the rate is that of clicks, two in every second row."""
    dataset = revenue_dataset(tmp_path / "d", pl.Series("revenue", [0.0, 2 * each] * 6))
    optimizer = load(train(dataset, tmp_path / "run", config_from(QUICK)).path)
    best = optimizer.generate("p1", k=1)[0]
    assert optimizer.meta.reward == "num_clicks"
    assert best.expected_revenue == pytest.approx(best.click_probability * expected)


def test_revenue_that_nothing_earned_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    dataset = revenue_dataset(tmp_path / "d", pl.Series("revenue", [1.0] * 12))
    with pytest.raises(DataError, match="row 0 of the log, column 'revenue': 0 is expected where num_clicks is 0"):
        train(dataset, tmp_path / "run", config_from(QUICK))
    assert not (tmp_path / "run").exists()


def test_the_command_names_the_rate_and_the_revenue(run: RunFolder) -> None:
    shown = genco_json("generate", "--run", run.path, "--product", "p2", "-k", "1")
    assert shown["rate_of"] == "num_conversions" and shown["proposals"][0]["expected_revenue"] > 0
    printed = genco("generate", "--run", run.path, "--product", "p2", "-k", "1").output
    assert "1. conversion probability 0." in printed and "expected revenue " in printed
    worth = shown["event_value"]
    assert worth["low"] < worth["value"] < worth["high"]
    assert f"One conversion is worth {worth['value']:.4g} [{worth['low']:.4g}, {worth['high']:.4g}]." in printed
