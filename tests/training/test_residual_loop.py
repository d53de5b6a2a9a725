"""The residual is fitted and judged as it is served: a part of the uplift, under the calibration's slope."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kits.small_logs import log_likelihood, small_log, tables_of, with_rewards
from tests.kits.small_models import small_model

from genco.models.additive import AdditiveModel
from genco.training.residual_loop import fit_residual, residual_values


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.filterwarnings("error")
def test_one_held_out_row_judges_nothing(rows: int) -> None:
    bound = small_model(3)
    tables = tables_of(bound)
    log, judged = small_log(bound, 500), small_log(bound, rows)
    theta = np.asarray(bound.model.theta)
    model = AdditiveModel(bound.model.layout, tables, log, theta)
    held_out = AdditiveModel(bound.model.layout, tables, judged, theta)
    found = fit_residual(model, np.zeros(log.num_groups), held_out, tables, 0, max_epochs=1)
    assert (found.residual, found.gain, found.error) == (None, 0.0, 0.0)


def test_the_gain_is_that_of_the_served_logit() -> None:
    """logit = appeal + slope * (additive + residual) + intercept, with a slope far from 1."""
    bound = small_model(3)
    tables = tables_of(bound)
    log = with_rewards(small_log(bound, 4_000), np.full(4_000, -1.0))
    model = AdditiveModel(bound.model.layout, tables, log, np.asarray(bound.model.theta))
    appeal = np.linspace(-2, -1, log.num_groups)
    slope, intercept = 2.5, 0.3
    found = fit_residual(model, appeal, model, tables, 0, (slope, intercept), force=True, max_epochs=1)
    assert found.residual is not None
    residual = residual_values(found.residual, log, tables).astype(float)
    assert np.abs(residual).max() > 1e-3
    additive = model.uplift_of(log).numpy().astype(float)
    before = log_likelihood(appeal[log.group] + slope * additive + intercept, log)
    served = log_likelihood(appeal[log.group] + slope * (additive + residual) + intercept, log)
    assert found.gain == pytest.approx(served - before, rel=1e-3)
