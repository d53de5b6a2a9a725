"""Everything a report shows, as one frozen record of plain values; `benchmarks.run_report` draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.errors import RuleError
from genco.evaluation.attribution import attribution_measures
from genco.evaluation.calibration import CalibrationBins
from genco.evaluation.element_counts import ElementCounts, count_elements
from genco.evaluation.element_table import MAX_ROWS, ElementTable, element_table
from genco.evaluation.evaluate import predicted_rows
from genco.evaluation.held_out import ALL, rows_to_judge_on
from genco.evaluation.interactions import SMALLEST_EFFECT, HeatMap, PairEffect, heat_map, pair_effects
from genco.evaluation.logged import LoggedRows, calibration_of, ranking_measures
from genco.evaluation.report_requests import ReportRequest, frequent_request, logged_requests
from genco.evaluation.request_figures import Headline, headline
from genco.evaluation.shown_combinations import ShownProduct, shown_product
from genco.evaluation.wilson import wilson
from genco.policies.generative import Request
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.rng import stream
from genco.storage.dataset import Dataset
from genco.storage.revenue_log import rate_log

Progress = Callable[[str, dict[str, float]], None]
SAMPLED_ROWS = 20_000
NUM_PAIRS = 5


@dataclass(frozen=True)
class ReportConfig:
    """num_products, num_combinations: cards shown · num_requests: drawn from the log for the headline and the values ·
    num_attributions: of them, those whose attribution is compared with the truth · max_rows: of the element table."""

    num_products: int = 3
    num_combinations: int = 3
    num_requests: int = 50
    num_attributions: int = 6
    max_rows: int = MAX_ROWS


@dataclass(frozen=True)
class LogSummary:
    """What was logged: rows (an aggregated row counts once), impressions, reward, period in UTC (None = not logged)."""

    name: str
    reward_column: str
    slots: tuple[str, ...]
    origin: dict[str, str]
    num_rows: int
    num_products: int
    num_elements: int
    impressions: float
    reward: float
    first: str | None
    last: str | None
    same_as_trained: bool


@dataclass(frozen=True)
class CalibrationPoint:
    """One bin of held-out rows: mean predicted and observed rate, the latter with its 95% Wilson interval."""

    impressions: float
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True)
class ReportData:
    """The whole report. measures: ranking, calibration and attribution under the keys of `evaluate` · curves: by stage,
    one object per round or step · helping, clashing: strongest pairs first · trained: what the run measured of itself ·
    held_out: whether the rows measured on were kept from training.
    """

    log: LogSummary
    headline: Headline
    products: tuple[ShownProduct, ...]
    elements: ElementTable
    helping: tuple[PairEffect, ...]
    clashing: tuple[PairEffect, ...]
    heat_map: HeatMap | None
    curves: dict[str, list[dict[str, float]]]
    calibration: tuple[CalibrationPoint, ...]
    measures: dict[str, Any]
    trained: dict[str, Any]
    has_truth: bool
    held_out: bool


def report_data(
    optimizer: Optimizer,
    dataset: Dataset,
    truth: Truth | None,
    config: ReportConfig | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ReportData:
    """Measure and collect. The log is read four times; the rest costs some milliseconds per request.

    A log of revenue is reported by the events whose rate the run learned.
    """
    config, progress = config or ReportConfig(), progress or (lambda stage, values: None)
    dataset = rate_log(dataset, optimizer.meta.reward)
    same = optimizer.run.info["fingerprint"] == dataset.fingerprint()
    optimizer = optimizer if same else optimizer.on(dataset.catalogue, dataset.meta)
    counts = count_elements(dataset.catalogue, dataset.batches())
    logged = logged_requests(optimizer, dataset.sample(SAMPLED_ROWS, seed)) if dataset.num_rows else []
    progress("report", {"part": 1, "of": 4})
    shown = _shown_products(optimizer, counts, logged, truth, config)
    pairs = [pair for request, _ in shown for pair in pair_effects(optimizer, _prepared(optimizer, request))]
    pairs.sort(key=lambda pair: -abs(pair.effect))
    progress("report", {"part": 2, "of": 4})
    total = counts.total_impressions
    rate = counts.total_reward / total if total > 0 else None
    requests = _by_impressions(logged, config.num_requests, seed)
    top = headline(optimizer, requests, rate, truth)
    progress("report", {"part": 3, "of": 4})
    split, chosen_from = rows_to_judge_on(optimizer, dataset)
    rows = predicted_rows(optimizer, dataset, split)
    measures = _measures(optimizer, rows, truth, requests[: config.num_attributions])
    progress("report", {"part": 4, "of": 4})
    return ReportData(
        log=_summary(dataset, counts, same),
        headline=top,
        products=tuple(product for _, product in shown),
        elements=element_table(optimizer, counts, average_context(optimizer), config.max_rows),
        helping=tuple(pair for pair in pairs if pair.effect >= SMALLEST_EFFECT)[:NUM_PAIRS],
        clashing=tuple(pair for pair in pairs if pair.effect <= -SMALLEST_EFFECT)[:NUM_PAIRS],
        heat_map=heat_map(optimizer, _prepared(optimizer, shown[0][0]), counts.impressions) if shown else None,
        curves=dict(optimizer.run.read_json("curves.json")),
        calibration=() if rows is None else calibration_points(calibration_of(rows)),
        measures=measures,
        trained={**optimizer.run.info["measured"], "config": optimizer.run.info["config"]},
        has_truth=truth is not None,
        held_out=chosen_from != ALL,
    )


def _shown_products(
    optimizer: Optimizer,
    counts: ElementCounts,
    logged: list[ReportRequest],
    truth: Truth | None,
    config: ReportConfig,
) -> list[tuple[ReportRequest, ShownProduct]]:
    """The products with most impressions that have a legal card, each in its most frequent context."""
    found: list[tuple[ReportRequest, ShownProduct]] = []
    for product in np.argsort(-counts.product_impressions, kind="stable").tolist():
        if len(found) == config.num_products:
            break
        request = frequent_request(logged, optimizer, product)
        impressions = float(counts.product_impressions[product])
        try:
            found.append((request, shown_product(optimizer, request, impressions, truth, config.num_combinations)))
        except RuleError:
            continue
    return found


def _prepared(optimizer: Optimizer, wanted: ReportRequest) -> Request:
    return optimizer.policy.request(wanted.product, wanted.context)


def _by_impressions(requests: list[ReportRequest], num: int, seed: int) -> list[ReportRequest]:
    """`num` requests drawn in proportion to the impressions they stand for."""
    if not requests:
        return []
    weight = np.array([request.weight for request in requests])
    drawn = stream(seed, "report requests").choice(len(requests), size=num, p=weight / weight.sum())
    return [requests[int(i)] for i in drawn]


def _measures(
    optimizer: Optimizer, rows: LoggedRows | None, truth: Truth | None, requests: list[ReportRequest]
) -> dict[str, Any]:
    found: dict[str, Any] = {"rows_evaluated": 0 if rows is None else len(rows.product)}
    if rows is not None and len(rows.product):
        found |= ranking_measures(optimizer, rows) | {"calibration.ece": calibration_of(rows).error}
    if truth is not None:
        numbers = [(request, request.truth_context(truth)) for request in requests]
        known = [(request.product, number, request.context) for request, number in numbers if number is not None]
        found |= attribution_measures(optimizer, truth, known)
    return found


def average_context(optimizer: Optimizer) -> NDArray[np.float32]:
    """Mean encoded context [num_context] of the log the run was trained on, each context by its share."""
    arrays, _ = optimizer.run.load_arrays("contexts")
    if not len(arrays["contexts"]):
        return optimizer.context()
    return np.asarray(arrays["share"] @ arrays["contexts"], dtype=np.float32)


def calibration_points(bins: CalibrationBins) -> tuple[CalibrationPoint, ...]:
    """Bins with impressions as points; the Wilson interval holds for few rewards too."""
    points = []
    for n, predicted, observed in zip(bins.trials, bins.predicted, bins.observed, strict=True):
        if n <= 0:
            continue
        rate = min(max(observed / n, 0.0), 1.0)
        low, high = wilson(float(observed), float(n))
        points.append(CalibrationPoint(float(n), float(predicted / n), float(rate), low, high))
    return tuple(points)


def _summary(dataset: Dataset, counts: ElementCounts, same: bool) -> LogSummary:
    catalogue, meta = dataset.catalogue, dataset.meta
    return LogSummary(
        name=meta.name,
        reward_column=meta.reward,
        slots=tuple(slot.name for slot in meta.slots),
        origin={str(key): str(value) for key, value in meta.origin.items()},
        num_rows=dataset.num_rows,
        num_products=catalogue.num_products,
        num_elements=catalogue.num_elements,
        impressions=counts.total_impressions,
        reward=counts.total_reward,
        first=_day(counts.first),
        last=_day(counts.last),
        same_as_trained=same,
    )


def _day(microseconds: int) -> str | None:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d") if microseconds > 0 else None
