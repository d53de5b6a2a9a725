"""What choosing is worth on the traffic of the log: uniform play against the policy's choice, predicted and true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from genco.errors import RuleError
from genco.evaluation.evaluate import smoothed_rates
from genco.evaluation.report_requests import ReportRequest
from genco.evaluation.request_values import RequestValues, request_values
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.simulator.reference import normalised_value

UNIFORM_DRAWS = 200
NUM_PROPOSALS = 16
SHOWN_VALUES = (
    "uniform",
    "independent_components",
    "generator_top1",
    "random_start_refined",
    "refined",
    "reward_model_argmax",
    "content_ceiling",
    "oracle",
)


@dataclass(frozen=True)
class ValueRow:
    """One way of choosing: its true click rate; its value, 0 = uniform play and 1 = the best card; standard error."""

    key: str
    click_rate: float
    value: float | None
    error: float | None


@dataclass(frozen=True)
class Headline:
    """Mean click rates over `num_requests` requests drawn from the log in proportion to impressions; None = not known.

    logged: of the log itself · uniform: of a uniform legal card · choice: of the policy's best card, both predicted ·
    values: by the truth, empty without one.
    """

    num_requests: int
    logged: float | None
    uniform: float | None
    choice: float | None
    values: tuple[ValueRow, ...] = ()

    @property
    def true_uniform(self) -> float | None:
        return self._true("uniform")

    @property
    def true_choice(self) -> float | None:
        return self._true("refined")

    @property
    def lift(self) -> float | None:
        """Predicted rate of the choice over that of uniform play, minus 1."""
        return _lift(self.choice, self.uniform)

    @property
    def true_lift(self) -> float | None:
        """The same by the truth."""
        return _lift(self.true_choice, self.true_uniform)

    def _true(self, key: str) -> float | None:
        return next((row.click_rate for row in self.values if row.key == key), None)


def headline(
    optimizer: Optimizer, requests: list[ReportRequest], logged: float | None, truth: Truth | None
) -> Headline:
    """Evaluate `requests`, each with equal weight; products without a legal card are left out."""
    policy = optimizer.policy
    smoothed = smoothed_rates(optimizer)
    uniform, choice, found = [], [], []
    for wanted in requests:
        try:
            request = policy.request(wanted.product, wanted.context)
        except RuleError:
            continue
        rng = policy.rng("headline", wanted.product, wanted.context.tobytes().hex())
        scores = policy.scores(request, request.space.sample_uniform(rng, UNIFORM_DRAWS))
        uniform.append(float(policy.click_probability(request, scores).mean()))
        number = None if truth is None else wanted.truth_context(truth)
        if truth is None or number is None:
            _, best = policy.best(request, NUM_PROPOSALS, rng)
            choice.append(float(policy.click_probability(request, np.array([best], dtype=np.float32))[0]))
            continue
        values = request_values(
            truth,
            policy,
            wanted.product,
            number,
            wanted.context,
            partial(smoothed, wanted.product),
            served=False,
        )
        found.append(values)
        choice.append(values.predicted)
    if not uniform:
        return Headline(0, logged, None, None)
    values_known = _value_rows(found) if len(found) == len(uniform) else ()
    return Headline(len(uniform), logged, float(np.mean(uniform)), float(np.mean(choice)), values_known)


def _value_rows(found: list[RequestValues]) -> tuple[ValueRow, ...]:
    uniform, oracle = (np.array([values.values[key] for values in found]) for key in ("uniform", "oracle"))
    rows = []
    for key in SHOWN_VALUES:
        if key not in found[0].values:
            continue
        rates = np.array([values.values[key] for values in found])
        room = float((oracle - uniform).mean()) > 0
        value, error = normalised_value(rates, uniform, oracle) if room else (None, None)
        if error is not None and not np.isfinite(error):
            error = None
        rows.append(ValueRow(key, float(rates.mean()), value, error))
    return tuple(rows)


def _lift(rate: float | None, base: float | None) -> float | None:
    return None if rate is None or base is None or base <= 0 else rate / base - 1
