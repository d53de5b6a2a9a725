"""Every estimator passes the kit; hand-worked values; what is unbiased is so exactly, and what is not, is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.kits.ope_estimator import Columns, Feed, check_estimator, toy_world

from genco.errors import ConfigError, DataError, SupportError
from genco.evaluation.ope import IPS, SNIPS, ClippedIPS, DirectMethod, DoublyRobust, PseudoInverse, SwitchDR


def weighing(record: Any, log: Columns) -> Any:
    return record.update(log["propensity"], log["evaluation_prob"], log["reward"])


def modelling(record: Any, log: Columns) -> Any:
    return record.update(log["propensity"], log["evaluation_prob"], log["reward"], log["predicted"], log["expected"])


def direct(record: Any, log: Columns) -> Any:
    return record.update(log["expected"])


def slotwise(record: Any, log: Columns) -> Any:
    return record.update(log["slot_propensity"], log["slot_prob"], log["reward"])


ESTIMATORS: list[tuple[Any, Feed]] = [
    (IPS(), weighing),
    (SNIPS(), weighing),
    (ClippedIPS(), weighing),
    (ClippedIPS(limit=1.5), weighing),
    (DirectMethod(), direct),
    (DoublyRobust(), modelling),
    (SwitchDR(), modelling),
    (SwitchDR(limit=1.5), modelling),
    (PseudoInverse(), slotwise),
]


@pytest.mark.parametrize(("empty", "feed"), ESTIMATORS, ids=lambda entry: type(entry).__name__)
def test_conforms(empty: Any, feed: Feed) -> None:
    check_estimator(empty, feed)


# Weights 2, 0.5, 4; rewards 1, 0, 1; model 0.5, 0.2, 0.4 on what was shown, 0.3 on average under the policy.
HAND: Columns = {
    "propensity": np.array([0.25, 0.4, 0.2]),
    "evaluation_prob": np.array([0.5, 0.2, 0.8]),
    "reward": np.array([1.0, 0.0, 1.0]),
    "predicted": np.array([0.5, 0.2, 0.4]),
    "expected": np.array([0.3, 0.3, 0.3]),
    "slot_propensity": np.array([[0.5, 0.5], [0.5, 0.8], [0.5, 0.4]]),
    "slot_prob": np.array([[0.5, 1.0], [0.5, 0.4], [1.0, 0.8]]),
}


@pytest.mark.parametrize(
    ("empty", "feed", "value"),
    [
        (IPS(), weighing, (2 + 4) / 3),
        (SNIPS(), weighing, (2 + 4) / 6.5),
        (ClippedIPS(limit=3), weighing, (2 + 3) / 3),
        (DirectMethod(), direct, 0.3),
        (DoublyRobust(), modelling, 0.3 + (2 * 0.5 - 0.5 * 0.2 + 4 * 0.6) / 3),
        (SwitchDR(limit=2), modelling, 0.3 + (2 * 0.5 - 0.5 * 0.2) / 3),
        (PseudoInverse(), slotwise, (2 + 3) / 3),  # weights 1 + 2 - 1, 1 + 0.5 - 1, 2 + 2 - 1
    ],
)
def test_by_hand(empty: Any, feed: Feed, value: float) -> None:
    assert feed(empty, HAND).value == pytest.approx(value, rel=1e-12)


def test_counts_stand_for_rows() -> None:
    twice = IPS().update([0.5, 0.2], [0.25, 0.4], [1, 0], count=[2, 3])
    rows = IPS().update([0.5, 0.5, 0.2, 0.2, 0.2], [0.25, 0.25, 0.4, 0.4, 0.4], [1, 1, 0, 0, 0])
    assert twice == rows


@pytest.mark.parametrize(("empty", "feed"), [(IPS(), weighing), (DoublyRobust(), modelling)])
@pytest.mark.parametrize("num_rows", [1, 2, 3])
def test_unbiased_over_every_log(empty: Any, feed: Feed, num_rows: int) -> None:
    world = toy_world()
    expected = world.expectation(lambda log: feed(empty, log).value, num_rows)
    assert expected == pytest.approx(world.value, rel=1e-12)


def test_pseudo_inverse_is_unbiased_only_where_rewards_add() -> None:
    adding, interacting = toy_world(interaction=0.0), toy_world(interaction=0.3)

    def bias(world: Any) -> float:
        return float(world.expectation(lambda log: slotwise(PseudoInverse(), log).value)) - world.value

    assert bias(adding) == pytest.approx(0.0, abs=1e-12)
    # by hand: 0.3 * (sum of 0.12 (w_pi) - 0.6), w_pi = 0.7 / 0.3 + 0.8 / 0.4 - 1 = 10 / 3
    assert bias(interacting) == pytest.approx(0.3 * (0.12 * 10 / 3 - 0.6), rel=1e-12)


def test_clipping_and_the_direct_method_are_biased() -> None:
    world = toy_world()
    assert world.expectation(lambda log: weighing(ClippedIPS(limit=2), log).value) < world.value - 0.05
    assert direct(DirectMethod(), world.draw(3, 0)).value == pytest.approx((world.evaluated * world.model).sum())


def test_switch_joins_the_two() -> None:
    log = toy_world().draw(50, seed=1)
    assert modelling(SwitchDR(limit=100), log).value == pytest.approx(modelling(DoublyRobust(), log).value, rel=1e-12)
    assert modelling(SwitchDR(limit=1e-9), log).value == pytest.approx(direct(DirectMethod(), log).value, rel=1e-12)


@pytest.mark.parametrize("kind", [ClippedIPS, SwitchDR])
def test_limits(kind: Any) -> None:
    with pytest.raises(ConfigError, match=r"`limit` should be positive. Found `limit = 0`"):
        kind(limit=0)
    with pytest.raises(ConfigError, match=r"`limit` is the same. Found 2 and 3"):
        kind(limit=2) + kind(limit=3)


def test_refusals_name_what_was_found() -> None:
    with pytest.raises(DataError, match=r"`propensity` should be at most 1. The largest found is 1.5"):
        IPS().update([0.5, 1.5], [0.1, 0.1], [0, 1])
    with pytest.raises(DataError, match=r"`evaluation_prob` should not be negative. Found -0.1"):
        IPS().update([0.5], [-0.1], [0])
    with pytest.raises(DataError, match=r"numerator of every row should be finite. Found nan"):
        IPS().update([0.5], [0.5], [float("nan")])
    with pytest.raises(DataError, match=r"`count` should not be negative. Found -1"):
        IPS().update([0.5], [0.5], [1.0], count=[-1])
    with pytest.raises(DataError, match=r"\[row, slot\]. Found the shape \(1,\)"):
        PseudoInverse().update([0.5], [0.5], [1.0])
    with pytest.raises(SupportError, match=r"Found none"):
        _ = SNIPS().update([0.5], [0.0], [1.0]).value
