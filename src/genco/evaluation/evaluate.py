"""Everything `genco evaluate` reports, as one flat object of dotted keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.data.splits import Split
from genco.errors import RuleError
from genco.evaluation.attribution import attribution_measures
from genco.evaluation.calibration import equal_mass_bins
from genco.evaluation.element_rates import smoothed_rate
from genco.evaluation.held_out import rows_to_judge_on
from genco.evaluation.logged import LoggedRows, calibration_of, concatenate, predict, ranking_measures
from genco.evaluation.request_values import NUM_PROPOSALS, RequestValues, request_values
from genco.evaluation.shapley_audit import audit_measures
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.rng import stream
from genco.simulator.reference import normalised_value
from genco.storage.dataset import Dataset
from genco.storage.revenue_log import rate_log

Progress = Callable[[str, dict[str, float]], None]
VALUE_KEYS = (
    "content_ceiling",
    "reward_model_argmax",
    "generator_top1",
    "refined",
    "served",
    "independent_components",
    "random_start_refined",
)
NO_TRUTH = "the data hold no truth: values need the simulator or a table of true rates"
NO_REQUEST = "no request could be drawn: none of the products has a legal combination"
NO_CONTENT = "the truth is a table of rates: it does not say what content can explain"
MAX_RANKING_ROWS = 2_000_000
_OF_REQUESTS = (
    *(f"value.{key}" for key in (*VALUE_KEYS, "uniform_click_probability", "oracle_click_probability", "reference")),
    "diversity.best_of_16",
    "diversity.distinct_at_16",
    "diversity.mean_hamming",
    "calibration.ece_chosen",
)


def evaluate(
    optimizer: Optimizer,
    dataset: Dataset,
    truth: Truth | None,
    num_requests: int = 400,
    seed: int = 0,
    products: NDArray[np.int64] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a run on `dataset`, which may hold products the run never saw.

    truth: the dataset's truth, None where it has none · products: product rows that `value.*` draws from, all by
    default. Rows used in training are left out of ranking and calibration when `dataset` is the one the run was
    trained on. A log of revenue is judged by the events whose rate the run learned.
    """
    progress = progress or (lambda stage, values: None)
    dataset = rate_log(dataset, optimizer.meta.reward)
    optimizer = optimizer.on(dataset.catalogue, dataset.meta)
    result: dict[str, Any] = {"requests": num_requests if truth is not None else 0, "rate_of": dataset.meta.reward}
    split, chosen_from = rows_to_judge_on(optimizer, dataset)
    rows = predicted_rows(optimizer, dataset, split)
    result |= {"rows_evaluated": 0 if rows is None else len(rows.product), "rows_from": chosen_from}
    if rows is None or len(rows.product) == 0:
        result |= _nulls(
            ("ranking.auc", "ranking.significant_pairs", "ranking.pick_lift", "calibration.ece"),
            "no row to evaluate on",
        )
    else:
        result |= ranking_measures(optimizer, rows) | {"calibration.ece": calibration_of(rows).error}
    if truth is None:
        keys = [f"value.{key}" for key in VALUE_KEYS]
        keys += [
            "diversity.best_of_16",
            "attribution.spearman",
            "attribution.spearman_ceiling",
            "attribution.coverage_95",
        ]
        result |= _nulls((*keys, "calibration.ece_chosen"), NO_TRUTH)
        result |= _diversity(optimizer, num_requests, seed)
        result |= audit_measures(optimizer.policy, _average_requests(optimizer, min(num_requests, 100), seed))
    else:
        allowed = np.arange(dataset.catalogue.num_products) if products is None else products
        result |= value_measures(optimizer, truth, allowed, num_requests, seed, progress)
        requests = _requests(optimizer, truth, allowed, num_requests, seed)
        result |= attribution_measures(optimizer, truth, requests)
        result |= audit_measures(optimizer.policy, [(product, context) for product, _, context in requests])
    return result | _training(optimizer)


def held_out_rows(optimizer: Optimizer, dataset: Dataset) -> LoggedRows | None:
    """Rows the run was not trained on, with predictions; None where the dataset has no impressions."""
    return predicted_rows(optimizer, dataset, rows_to_judge_on(optimizer, dataset)[0])


def predicted_rows(optimizer: Optimizer, dataset: Dataset, split: Split | None) -> LoggedRows | None:
    """Rows that a split holds out, None = all of them, with predictions; None where there are none."""
    parts = []
    total = 0
    for batch in dataset.batches():
        keep = np.ones(len(batch), dtype=bool) if split is None else split.held_out(batch, dataset.catalogue)
        keep &= batch.num_impressions > 0
        rows = np.flatnonzero(keep)
        if not len(rows) or total > MAX_RANKING_ROWS:
            continue
        total += len(rows)
        raw = {name: values[rows] for name, values in batch.context.items()}
        context = optimizer.encoders.context.transform(raw, len(rows))
        uplift, probability = predict(optimizer, batch.product[rows], batch.combination[rows], context)
        parts.append(
            LoggedRows(
                batch.product[rows],
                batch.combination[rows],
                batch.num_impressions[rows],
                batch.reward[rows],
                uplift,
                probability,
            )
        )
    return concatenate(parts) if parts else None


def _requests(
    optimizer: Optimizer, truth: Truth, products: NDArray[np.int64], num: int, seed: int
) -> list[tuple[int, int, NDArray[np.float32]]]:
    """Uniform (product row, context number, encoded context) of products with a legal combination."""
    rng = stream(seed, "evaluation requests")
    drawn: list[tuple[int, int, NDArray[np.float32]]] = []
    for _ in range(num * 20):
        if len(drawn) == num:
            break
        product, number = int(rng.choice(products)), int(rng.integers(len(truth.context_values)))
        values = {truth.context_name: truth.context_values[number]} if truth.context_name else {}
        try:
            optimizer.policy.encoding(product)
        except RuleError:
            continue
        drawn.append((product, number, optimizer.context(values)))
    return drawn


def value_measures(
    optimizer: Optimizer,
    truth: Truth,
    products: NDArray[np.int64],
    num_requests: int,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """`value.*`, diversity and calibration on chosen combinations, over requests for `products` (product rows)."""
    smoothed = smoothed_rates(optimizer)
    found: list[RequestValues] = []
    for product, number, context in _requests(optimizer, truth, products, num_requests, seed):
        found.append(request_values(truth, optimizer.policy, product, number, context, partial(smoothed, product)))
        progress("evaluate", {"request": len(found), "of": num_requests})
    if not found:
        return _nulls(_OF_REQUESTS, NO_REQUEST)
    uniform, oracle = (np.array([f.values[key] for f in found]) for key in ("uniform", "oracle"))
    result: dict[str, Any] = {
        "value.uniform_click_probability": float(uniform.mean()),
        "value.oracle_click_probability": float(oracle.mean()),
        "value.reference": "enumerated" if all(f.exact for f in found) else "coordinate ascent from 1,000 starts",
    }
    for key in (*VALUE_KEYS, "best_of_16"):
        name = f"diversity.{key}" if key == "best_of_16" else f"value.{key}"
        if key not in found[0].values:
            result |= _nulls((name,), NO_CONTENT)
            continue
        value, error = normalised_value(np.array([f.values[key] for f in found]), uniform, oracle)
        result |= {name: value, f"{name}_se": error}
    predicted, actual = np.array([f.predicted for f in found]), np.array([f.actual for f in found])
    ones = np.ones(len(found))
    result["calibration.ece_chosen"] = equal_mass_bins(predicted).update(predicted, ones, actual).error
    result["calibration.chosen_predicted"] = float(predicted.mean())
    result["calibration.chosen_actual"] = float(actual.mean())
    result["diversity.distinct_at_16"] = float(np.mean([f.distinct for f in found]))
    result["diversity.mean_hamming"] = float(np.mean([f.hamming for f in found]))
    return result


def _diversity(optimizer: Optimizer, num_requests: int, seed: int) -> dict[str, Any]:
    """Distinct proposals and mean Hamming distance where there is no truth."""
    rng = stream(seed, "diversity")
    distinct, hamming = [], []
    for product, context in _average_requests(optimizer, min(num_requests, 100), seed):
        positions, _ = optimizer.policy.request(product, context).policy.propose(NUM_PROPOSALS, rng)
        distinct.append(len(np.unique(positions, axis=0)))
        if len(positions) > 1:
            differing = (positions[:, None, :] != positions[None, :, :]).sum(axis=2)
            hamming.append(differing.sum() / (len(positions) * (len(positions) - 1)))
    result: dict[str, Any] = {
        "diversity.distinct_at_16": float(np.mean(distinct)) if distinct else None,
        "diversity.mean_hamming": float(np.mean(hamming)) if hamming else None,
    }
    reasons = {"diversity.distinct_at_16": NO_REQUEST, "diversity.mean_hamming": "no product has two combinations"}
    return result | {f"{key}_reason": why for key, why in reasons.items() if result[key] is None}


def _average_requests(optimizer: Optimizer, num: int, seed: int) -> list[tuple[int, NDArray[np.float32]]]:
    """(product row, average context) of up to `num` uniform products, those without a legal combination left out."""
    drawn = []
    for product in stream(seed, "requests without truth").integers(optimizer.catalogue.num_products, size=num):
        try:
            optimizer.policy.encoding(int(product))
        except RuleError:
            continue
        drawn.append((int(product), optimizer.context()))
    return drawn


def smoothed_rates(optimizer: Optimizer) -> Callable[[int, NDArray[np.int32]], NDArray[np.float64]]:
    """A function (product row, element rows) -> click rates smoothed towards the product's own rate."""
    counts = optimizer.run.read_table("elements")
    rows = optimizer.catalogue.element_rows
    trials, reward = np.zeros(optimizer.catalogue.num_elements + 1), np.zeros(optimizer.catalogue.num_elements + 1)
    index = np.array([rows.get(e, -1) for e in counts["element_id"]])
    known = index >= 0
    trials[index[known]] = counts["num_impressions"].to_numpy()[known]
    reward[index[known]] = counts["num_rewards"].to_numpy()[known]
    return partial(smoothed_rate, optimizer.catalogue, trials, reward)


def _training(optimizer: Optimizer) -> dict[str, Any]:
    measured = optimizer.run.info["measured"]
    return {
        "train.impressions_per_second": measured["impressions_per_second"],
        "train.seconds": measured["seconds"],
        "train.peak_rss_mib": measured["peak_rss_mib"],
        "train.residual_kept": measured["reward_model"]["residual_kept"],
        "train.residual_gain": measured["reward_model"]["residual_gain"],
        "train.residual_gain_se": measured["reward_model"]["residual_gain_error"],
    }


def _nulls(keys: tuple[str, ...], reason: str) -> dict[str, Any]:
    return {name: value for key in keys for name, value in ((key, None), (f"{key}_reason", reason))}
