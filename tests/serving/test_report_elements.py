"""What the report of elements counts."""

from __future__ import annotations

import json

from genco.policies.optimizer import Optimizer
from genco.serving.report_elements import _counts
from genco.serving.reports import ShownCombination


def test_an_element_that_two_slots_show_counts_in_both(pairs_optimizer: Optimizer) -> None:
    one, other = pairs_optimizer.catalogue.elements["element_id"][:2]
    shown = [
        ShownCombination("p", json.dumps([one, one, None]), 10, 2, 0, 0.0, 2.0),
        ShownCombination("p", json.dumps([one, other, "gone"]), 5, 1, 0, 0.0, 1.0),
    ]
    impressions, clicks = _counts(pairs_optimizer, shown)
    assert impressions[:2].tolist() == [25, 5] and clicks[:2].tolist() == [5, 1]
    assert (impressions.sum(), clicks.sum()) == (30, 6)
