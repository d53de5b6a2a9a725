"""Conformance kit of off-policy estimators: what every one must do, on a world small enough to enumerate every log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product as every
from math import prod
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genco.errors import DataError, SupportError
from genco.protocols import OPEEstimator

Floats = NDArray[np.float64]
Columns = dict[str, Floats]
Feed = Callable[[Any, Columns], OPEEstimator]
PROPENSITIES = ("propensity", "slot_propensity")


@dataclass(frozen=True)
class ToyWorld:
    """One request, two slots of two elements. logged, evaluated, rate, model: by element of either slot [2, 2]."""

    logged: Floats
    evaluated: Floats
    rate: Floats
    model: Floats

    @property
    def value(self) -> float:
        """True value of the evaluated policy."""
        return float((self.evaluated * self.rate).sum())

    def columns(self, shown: NDArray[np.int64], reward: Floats) -> Columns:
        """What a log of combinations `shown` [row, 2] with rewards [row] tells, by the name of the parameter."""
        at = (shown[:, 0], shown[:, 1])
        slots = [(self.marginals(self.logged), "slot_propensity"), (self.marginals(self.evaluated), "slot_prob")]
        return {
            "propensity": self.logged[at],
            "evaluation_prob": self.evaluated[at],
            "reward": reward,
            "predicted": self.model[at],
            "expected": np.full(len(reward), (self.evaluated * self.model).sum()),
            **{name: np.stack([first[shown[:, 0]], second[shown[:, 1]]], axis=1) for (first, second), name in slots},
        }

    @staticmethod
    def marginals(joint: Floats) -> tuple[Floats, Floats]:
        return joint.sum(axis=1), joint.sum(axis=0)

    def draw(self, num_rows: int, seed: int) -> Columns:
        """A log of `num_rows` impressions."""
        rng = np.random.default_rng(seed)
        cell = rng.choice(4, num_rows, p=self.logged.ravel())
        shown = np.stack(np.divmod(cell, 2), axis=1)
        return self.columns(shown, (rng.random(num_rows) < self.rate.ravel()[cell]).astype(float))

    def expectation(self, feed: Callable[[Columns], float], num_rows: int = 2) -> float:
        """Exact expectation of an estimate: every log of `num_rows` impressions, times its probability."""
        outcomes = [((a, b), float(r)) for a in range(2) for b in range(2) for r in range(2)]
        total = 0.0
        for log in every(outcomes, repeat=num_rows):
            chance = prod(self.logged[at] * (self.rate[at] if reward else 1 - self.rate[at]) for at, reward in log)
            shown, reward = np.array([at for at, _ in log]), np.array([reward for _, reward in log])
            total += chance * feed(self.columns(shown, reward))
        return total


def toy_world(interaction: float = 0.3) -> ToyWorld:
    """Slots logged independently; rates add over slots where `interaction` is 0. The model is wrong on purpose."""
    logged = np.outer([0.7, 0.3], [0.6, 0.4])
    evaluated = np.array([[0.1, 0.2], [0.1, 0.6]])
    rate = np.array([[0.1, 0.2], [0.3, 0.4 + interaction]])
    return ToyWorld(logged, evaluated, rate, np.array([[0.2, 0.1], [0.3, 0.4]]))


def check_estimator(empty: Any, feed: Feed) -> None:
    """Everything below. empty: the record of no rows · feed: (record, columns) -> the record with those rows."""
    log = toy_world().draw(200, seed=3)
    whole = feed(empty, log)
    check_merge(empty, feed, log, whole)
    order = np.random.default_rng(0).permutation(200)
    shuffled = feed(empty, {name: values[order] for name, values in log.items()})
    assert shuffled.value == pytest.approx(whole.value, rel=1e-12)
    check_refusals(empty, feed, log)


def check_merge(empty: Any, feed: Feed, log: Columns, whole: OPEEstimator) -> None:
    """Shards added in any grouping, and one after another, give the whole; nothing changes what was there before."""
    parts = [{name: values[cut] for name, values in log.items()} for cut in (slice(30), slice(30, 31), slice(31, None))]
    a, b, c = (feed(empty, part) for part in parts)
    for merged in ((a + b) + c, a + (b + c), c + a + b, feed(feed(feed(empty, parts[0]), parts[1]), parts[2])):
        assert merged.value == pytest.approx(whole.value, rel=1e-12)
    assert a.value == feed(empty, parts[0]).value
    assert (empty + a).value == (a + empty).value == a.value
    nothing = {name: values[:0] for name, values in log.items()}
    assert feed(a, nothing).value == a.value


def check_refusals(empty: Any, feed: Feed, log: Columns) -> None:
    """An empty log has no value; a propensity that is not positive is named."""
    with pytest.raises(SupportError, match="At least one impression"):
        _ = empty.value
    if not uses_propensity(empty, feed, log):
        return
    for wrong, said in ((0.0, "0"), (-0.25, "-0.25"), (float("nan"), "nan")):
        spoiled = {name: values.copy() for name, values in log.items()}
        for name in PROPENSITIES:
            spoiled[name][7] = wrong
        with pytest.raises(DataError, match=rf"`propensity` should be positive. The smallest found is {said}\."):
            feed(empty, spoiled)


def uses_propensity(empty: Any, feed: Feed, log: Columns) -> bool:
    """Whether the estimate changes with the propensities."""
    halved = {name: values / 2 if name in PROPENSITIES else values for name, values in log.items()}
    return feed(empty, halved).value != feed(empty, log).value
