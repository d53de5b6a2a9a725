"""Lift and its interval by hand; periods of the charts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genco.serving.joiner import CLICKS
from genco.studio.queries.overview import MAX_POINTS, Lift, _points, lift
from genco.studio.tally import HOUR, SECOND, Counts, Flow

NONE = np.zeros((2, 1), dtype=np.int64)


def counts(flows: dict[tuple[int, str], Flow], until: int) -> Counts:
    return Counts(until, NONE, NONE, NONE, NONE, NONE[:, 0], flows, NONE, [], CLICKS)


def test_the_lift_and_its_interval_by_hand() -> None:
    found = lift(Flow(1_000, 100), Flow(1_000, 50))
    width = 1.959964 * math.sqrt(0.9 / 100 + 0.95 / 50)
    assert found.value == pytest.approx(1.0)
    assert found.low == pytest.approx(2 * math.exp(-width) - 1)
    assert found.high == pytest.approx(2 * math.exp(width) - 1)


@pytest.mark.parametrize(("model", "holdout"), [(Flow(), Flow()), (Flow(100, 9), Flow(100, 50)), (Flow(9, 9), Flow())])
def test_few_clicks_give_no_lift(model: Flow, holdout: Flow) -> None:
    assert lift(model, holdout) == Lift(None, None, None)


def test_everything_clicked_leaves_no_doubt() -> None:
    assert lift(Flow(20, 20), Flow(10, 10)) == Lift(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("span", "step"), [(60 * SECOND, 5 * SECOND), (HOUR, 5 * SECOND), (40 * HOUR, 60 * SECOND), (900 * HOUR, HOUR)]
)
def test_points_hold_everything_in_few_equal_periods(span: int, step: int) -> None:
    start = 1_000_000 * HOUR
    flows = {(start + at, "model"): Flow(2, 1) for at in range(0, span, step)}
    period, points = _points(counts(flows, start + span))
    assert sum(point.impressions for point in points) == 2 * len(flows)
    assert len(points) <= MAX_POINTS + 1
    assert {point.start % period for point in points} == {0}


def test_nothing_shown_has_no_points() -> None:
    assert _points(counts({}, 5)) == (5 * SECOND, ())
