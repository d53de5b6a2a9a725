"""Calibration points by hand. The whole record is tested with the page, in tests/benchmarks/test_run_report.py."""

from __future__ import annotations

import numpy as np
import pytest

from genco.evaluation.calibration import CalibrationBins
from genco.evaluation.report_data import calibration_points


def test_wilson_interval_by_hand() -> None:
    bins = CalibrationBins(np.array([0.1]), np.array([100.0, 0.0]), np.array([12.0, 0.0]), np.array([10.0, 0.0]))
    (point,) = calibration_points(bins)
    assert (point.impressions, point.predicted, point.observed) == pytest.approx((100, 0.12, 0.1))
    assert (point.low, point.high) == pytest.approx((0.0552, 0.1744), abs=5e-5)


def test_no_reward_and_more_reward_than_impressions() -> None:
    bins = CalibrationBins(np.array([0.1]), np.array([50.0, 2.0]), np.array([1.0, 1.0]), np.array([0.0, 3.0]))
    nothing, revenue = calibration_points(bins)
    assert nothing.low == 0 and 0 < nothing.high < 0.1
    assert revenue.observed == 1.0
