"""Rows of elements in a list that is filtered by label."""

from __future__ import annotations

import pytest

from genco.evaluation.element_table import ElementRow, ElementView
from genco.studio.rendering import ENVIRONMENT

ROW = ElementRow("p1", ElementView("t1", "title", "Mug 杯"), "approved", "GOOD", 200.0, 9.0, 0.045, 0.1, 0.05, 0.15)


@pytest.mark.parametrize(("judged", "marked"), [("", False), ("GOOD", False), ("BEST", True)])
def test_a_row_that_left_its_label_says_what_was_judged(judged: str, marked: bool) -> None:
    drawn = ENVIRONMENT.get_template("element_rows.html.j2").module.element_row(ROW, "Mug", None, "", judged=judged)  # type: ignore[attr-defined]
    assert ("BEST when judged" in drawn) is marked
    assert '<span class="verdict GOOD">GOOD</span>' in drawn
