"""What a run's decision policy would earn, by a log with propensities: `genco evaluate --ope`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError, SupportError
from genco.evaluation.held_out import ALL
from genco.evaluation.logged import predict
from genco.evaluation.ope import IPS, SNIPS, ClippedIPS, DirectMethod, DoublyRobust, PseudoInverse, SwitchDR
from genco.evaluation.ope.empirical_likelihood import EmpiricalLikelihood
from genco.evaluation.ope.interaction_share import interaction_share
from genco.evaluation.ope.interval import Interval
from genco.evaluation.ope.logged_rows import LoggedRows, ReadLog, read_log
from genco.evaluation.ope.served import Served, served
from genco.evaluation.ope.slot_shares import dependence
from genco.evaluation.ope.support import Support
from genco.evaluation.ope.terms import Terms
from genco.policies.optimizer import Optimizer
from genco.rng import stream
from genco.storage.dataset import Dataset
from genco.storage.revenue_log import is_revenue

Progress = Callable[[str, dict[str, float]], None]
MAIN = "doubly_robust"
BETTER, WORSE, CANNOT_TELL = "better", "worse", "cannot tell"
LARGEST_DEPENDENCE = 0.2
LARGEST_INTERACTION = 0.1
REQUESTS_FOR_INTERACTION = 50
MODEL_BASED = ("direct_method", "doubly_robust", "switch_dr")


@dataclass(frozen=True)
class Estimate:
    """One estimator on one log. interval, difference: 95%, of the value and of the value less the log's mean reward."""

    value: float
    effective_size: float
    interval: Interval
    difference: Interval

    @property
    def verdict(self) -> str:
        """Against the logging policy: better or worse only if the interval of the difference says so."""
        if self.difference.low > 0:
            return BETTER
        return WORSE if self.difference.high < 0 else CANNOT_TELL


def estimate(terms: Terms, reward: Any) -> Estimate:
    """Point, intervals and support of an estimator's rows. Raises `SupportError` where they say too little."""
    record = EmpiricalLikelihood().update(terms, reward)
    numerator, denominator = terms.sums
    interval, difference = record.value(), record.difference()
    return Estimate(numerator / denominator, record.support.effective_size, interval, difference)


def policy_value(
    optimizer: Optimizer,
    dataset: Dataset,
    num_rows: int = 100_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Value of the decision policy on logged rows with propensities, as flat dotted keys.

    Rows are sampled from those the run was not trained on, where it held some out. Raises `SupportError` where no row
    has a propensity, the effective sample size is too low, or weights do not average 1; `DataError` for revenue where
    the run was not trained on it.
    """
    if is_revenue(dataset) and optimizer.value is None:
        raise DataError(f"To evaluate on revenue, a run trained on it is expected. Found {optimizer.meta.reward!r}.")
    progress = progress or (lambda stage, values: None)
    optimizer = optimizer.on(dataset.catalogue, dataset.meta)
    log = read_log(optimizer, dataset, num_rows, seed, progress)
    answers = served(optimizer.policy, log.rows, progress)
    if not answers.servable.any():
        raise SupportError("Off-policy evaluation needs a product with a legal combination. Found none in the log.")
    rows, told = log.rows.take(np.flatnonzero(answers.servable)), answers.take(np.flatnonzero(answers.servable))
    weights = IPS().terms(rows.propensity, told.evaluation_prob, rows.reward, rows.count)
    support = Support().update(weights)
    support.check_size()
    support.check_mean_weight()
    result: dict[str, Any] = {
        "rows_in_log": log.num_rows,
        "rows_eligible": log.num_eligible,
        "rows_evaluated": len(rows),
        "rows_from": log.chosen_from,
        "rows_not_servable": len(log.rows) - len(rows),
        "mean_weight": support.mean_weight,
        "mean_weight_se": support.mean_weight_error,
        "logging_policy.value": float(rows.count @ rows.reward / rows.count.sum()),
    }
    for name, found in _estimates(optimizer, rows, told, _worth(optimizer, dataset, rows)).items():
        result |= _reported(name, found)
    if result["clipped_ips.verdict"] == WORSE:  # it leaves out rewards, so only what it finds better is so
        result["clipped_ips.verdict"] = CANNOT_TELL
    result |= _pseudo_inverse(optimizer, log, rows, told, seed)
    if log.chosen_from == ALL:
        why = "the reward model was trained on these rows: a policy made to please it looks better than it is"
        result |= {f"{name}.warning": why for name in MODEL_BASED}
    return {"verdict": result[f"{MAIN}.verdict"], "verdict_by": MAIN} | result


def _worth(optimizer: Optimizer, dataset: Dataset, rows: LoggedRows) -> NDArray[np.float64] | float:
    """What the model expects of one event [row]: 1 where events are what counts."""
    if optimizer.value is None or not is_revenue(dataset):
        return 1.0
    return optimizer.value.of_many(optimizer.catalogue.products["product_id"])[rows.product]


def _estimates(
    optimizer: Optimizer, rows: LoggedRows, told: Served, worth: NDArray[np.float64] | float
) -> dict[str, Estimate]:
    """Every estimator but the pseudo-inverse, by name. worth: of one event of the row's product [row]."""
    predicted = predict(optimizer, rows.product, rows.combination, rows.context)[1].astype(np.float64) * worth
    expected = told.expected * worth
    weighing = (rows.propensity, told.evaluation_prob, rows.reward)
    terms = {
        "ips": IPS().terms(*weighing, rows.count),
        "snips": SNIPS().terms(*weighing, rows.count),
        "clipped_ips": ClippedIPS().terms(*weighing, rows.count),
        "direct_method": DirectMethod().terms(expected, rows.count),
        "doubly_robust": DoublyRobust().terms(*weighing, predicted, expected, rows.count),
        "switch_dr": SwitchDR().terms(*weighing, predicted, expected, rows.count),
    }
    return {name: estimate(each, rows.reward) for name, each in terms.items()}


def _pseudo_inverse(optimizer: Optimizer, log: ReadLog, rows: LoggedRows, told: Served, seed: int) -> dict[str, Any]:
    """The slate estimator, with a warning where slots interact; None and the reason where it cannot be had."""
    name = "pseudo_inverse"
    share = _interaction_share(optimizer, rows, seed)
    result: dict[str, Any] = {f"{name}.interaction_share": share}
    if share > LARGEST_INTERACTION:
        result[f"{name}.verdict"] = CANNOT_TELL
        result[f"{name}.warning"] = (
            f"pair effects carry {share:.0%} of what the reward model sees in combinations: rewards do not add over "
            "slots, and this estimate is biased"
        )
    shares, shown = log.shares.of(rows.product, rows.combination)
    distance = dependence(shares, shown, rows.propensity)
    if distance > LARGEST_DEPENDENCE:
        why = f"the log does not fill slots independently: propensities are {distance:.2f} (log) from slot shares"
        return _without(name, why) | result
    try:
        terms = PseudoInverse().terms(shares, told.slot_prob, rows.reward, rows.count)
        return _reported(name, estimate(terms, rows.reward)) | result
    except SupportError as error:
        return _without(name, str(error)) | result


def _interaction_share(optimizer: Optimizer, rows: LoggedRows, seed: int) -> float:
    """Mean over logged requests of the share of the uplift's variance that pairs carry."""
    chosen = stream(seed, "interaction share").integers(len(rows), size=REQUESTS_FOR_INTERACTION)
    requests = (optimizer.policy.request(int(rows.product[at]), rows.context[at]) for at in chosen)
    return float(np.mean([interaction_share(request.tables) for request in requests]))


def _reported(name: str, found: Estimate) -> dict[str, Any]:
    return {
        f"{name}.value": found.value,
        f"{name}.low": found.interval.low,
        f"{name}.high": found.interval.high,
        f"{name}.difference_low": found.difference.low,
        f"{name}.difference_high": found.difference.high,
        f"{name}.effective_sample_size": found.effective_size,
        f"{name}.verdict": found.verdict,
    }


def _without(name: str, why: str) -> dict[str, Any]:
    keys = ("value", "low", "high", "difference_low", "difference_high", "effective_sample_size", "verdict")
    return {f"{name}.{key}": None for key in keys} | {f"{name}.value_reason": why}
