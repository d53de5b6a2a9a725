"""Which rows a run is judged on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from genco.evaluation.evaluate import evaluate, held_out_rows
from genco.evaluation.held_out import ALL, HELD_OUT, rows_to_judge_on
from genco.evaluation.held_out_figures import held_out_figures
from genco.evaluation.report_data import ReportConfig, report_data
from genco.policies.optimizer import Optimizer
from genco.storage.dataset import Dataset
from genco.storage.runs import HELD_OUT_FILE


def test_rows_held_out(pairs: Dataset, pairs_optimizer: Optimizer) -> None:
    split, words = rows_to_judge_on(pairs_optimizer, pairs)
    assert split is not None and words == HELD_OUT
    rows = held_out_rows(pairs_optimizer, pairs)
    assert rows is not None and 0 < len(rows.product) < pairs.num_rows / 2
    kept = pairs_optimizer.run.read_json(HELD_OUT_FILE)
    assert kept == asdict(held_out_figures(rows)) and kept["log_loss"] < kept["constant_log_loss"]


@pytest.mark.parametrize(
    "changes", [{"split_by": "none"}, {"split_by": "product", "reward_model": {"held_out_rows": 0}}]
)
def test_nothing_was_held_out(
    pairs: Dataset, pairs_optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """By configuration, or because the log has so few products that none fell to the held-out share."""
    info = pairs_optimizer.run.info
    measured = info["measured"] | changes
    measured["reward_model"] = info["measured"]["reward_model"] | measured["reward_model"]
    monkeypatch.setattr(pairs_optimizer.run, "info", {**info, "measured": measured})
    assert rows_to_judge_on(pairs_optimizer, pairs) == (None, ALL)
    rows = held_out_rows(pairs_optimizer, pairs)
    assert rows is not None and len(rows.product) == pairs.num_rows
    found = evaluate(pairs_optimizer, pairs, None, num_requests=1)
    assert (found["rows_evaluated"], found["rows_from"]) == (pairs.num_rows, ALL)
    report = report_data(pairs_optimizer, pairs, None, ReportConfig(1, 1, 1, 0, 1))
    assert not report.held_out and report.measures["rows_evaluated"] == pairs.num_rows
