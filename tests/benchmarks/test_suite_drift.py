from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genco.benchmarks.online.made_up import Effects, composite_arms, turning_rates
from genco.benchmarks.run_suite import run_suite
from genco.benchmarks.suite import Options
from genco.benchmarks.suites.drift import SUITE


def test_a_short_run(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"views": 20_000, "update_every": 2_000}
    result = run_suite(SUITE, tmp_path, Options(quick=True, peers="uniform"), changes)
    assert len(result["rows"]) == 2 * 3 * 2  # worlds, policies, checkpoints
    for said in ("## late", "## abrupt", "| genco_half_life | 1 |", "before the middle", "last window"):
        assert said in result["table"]
    uniform = [abs(row["norm"]) for row in result["rows"] if row["policy"] == "uniform"]
    assert max(uniform) < 0.1
    assert (tmp_path / "plot.svg").read_text().count("<polygon") == 2  # ours, in two panels


def test_effects_turn_into_independent_ones() -> None:
    effects = Effects(level=-3.0, spread=0.4, own=0.7, rest=0.3)
    at = turning_rates(composite_arms(), effects, 1, 100, 300)
    logits = [np.log(rates / (1 - rates)) for rates in (at(0), at(100), at(200), at(300), at(900))]
    np.testing.assert_array_equal(logits[0], logits[1])
    np.testing.assert_array_equal(logits[3], logits[4])
    together = [np.corrcoef(logits[0], later)[0, 1] for later in logits]
    assert together[2] == pytest.approx(np.sqrt(0.5), abs=0.15) and abs(together[3]) < 0.3
    assert [each.std() for each in logits] == pytest.approx([0.4] * 5, abs=0.12)


def test_at_once() -> None:
    at = turning_rates(composite_arms(), Effects(level=-3.0, spread=0.4, own=1.0), 1, 100, 100)
    assert not np.allclose(at(99), at(100)) and np.array_equal(at(100), at(101))
