"""The labels that a filter reads are those that the rows show, whatever was counted and approved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.data.test_catalogue import ELEMENTS, PRODUCTS

from genco.data.catalogue import Catalogue, Slot
from genco.evaluation.element_labels import MIN_IMPRESSIONS
from genco.evaluation.element_table import element_rows
from genco.evaluation.report_data import average_context
from genco.policies.optimizer import Optimizer
from genco.studio import judged_labels
from genco.studio.catalogue_index import CatalogueIndex
from genco.studio.judged_labels import NAMES, UNJUDGED, JudgedLabels, groups_to_judge, plain_labels
from genco.studio.tally import Counts
from genco.studio.view import View

MANY = MIN_IMPRESSIONS


@pytest.fixture
def view(card_optimizer: Optimizer) -> View:
    """Elements shown 0 to 299 times, some of them pending or blocked."""
    rng = np.random.default_rng(1)
    status = card_optimizer.catalogue.elements["status"].clone()
    changed = rng.choice(card_optimizer.catalogue.num_elements, 40, replace=False)
    status = status.scatter(changed, ["pending", "blocked"] * 20)
    optimizer = card_optimizer.holding(status, card_optimizer.catalogue.rules)
    nothing = Counts.nothing(optimizer.catalogue)
    impressions = rng.integers(0, 3 * MANY, optimizer.catalogue.num_elements)
    counts = replace(nothing, element=np.stack([impressions, impressions // 10]))
    return View(optimizer, CatalogueIndex(optimizer.catalogue), counts, "root")


def test_they_are_the_labels_of_the_rows(view: View) -> None:
    labels = JudgedLabels(lambda: view, lambda: 7)
    assert labels.on(view).judged_at is None
    labels.refresh()
    found, everything = labels.on(view), np.arange(view.optimizer.catalogue.num_elements, dtype=np.int32)
    rows = element_rows(view.optimizer, *view.counts.element, average_context(view.optimizer), everything, 0)
    assert [NAMES[code] for code in found.codes] == [row.label for row in rows]
    assert found.judged_at == 7
    assert found.count(everything) == {name: sum(row.label == name for row in rows) for name in NAMES[1:]}
    assert len({row.label for row in rows}) >= 4, "a case that tells labels apart"


def test_what_is_not_judged_yet_has_no_label_and_keeps_its_last_one_afterwards(view: View) -> None:
    now = view
    labels = JudgedLabels(lambda: now, lambda: 7)
    labels.refresh(lambda worked: True)  # stopped after what fits into a moment
    labels.refresh()
    before = labels.on(view).codes
    more = replace(view.counts, element=view.counts.element + MANY)
    now = replace(view, counts=more)
    found = labels.on(now).codes
    was_judged = (before != UNJUDGED) & (view.counts.element[0] >= MANY)
    assert (found[was_judged] == before[was_judged]).all()
    assert (
        labels.on(replace(view, root="another run")).codes == plain_labels(now.index.catalogue, view.counts.element[0])
    ).all()


def test_a_label_by_an_earlier_status_is_no_label(view: View) -> None:
    """Judged beside its neighbours while pending or blocked, approved since: not judged yet."""
    now = replace(view, counts=replace(view.counts, element=view.counts.element + MANY))
    labels = JudgedLabels(lambda: now, lambda: 7)
    labels.refresh()
    catalogue = now.optimizer.catalogue
    since = ~catalogue.element_approved & (catalogue.element_component >= 0)
    status = catalogue.status_with({name: "approved" for name in catalogue.elements["element_id"].filter(since)})
    approved = now.optimizer.holding(status, catalogue.rules)
    found = labels.on(View(approved, CatalogueIndex(approved.catalogue), now.counts, now.root)).codes
    assert since.any() and (found[since] == UNJUDGED).all()


def test_a_round_ends_when_another_run_is_served(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged_labels, "WORK_SECONDS", 0.0)
    now, groups = view, 0

    def pause(_: float) -> bool:
        nonlocal now, groups
        now, groups = replace(view, root="another run"), groups + 1
        return False

    labels = JudgedLabels(lambda: now, lambda: 7)
    labels.refresh(pause)
    assert groups == 1 < len(groups_to_judge(view.optimizer.catalogue, view.counts.element[0]))
    labels.refresh(pause)
    assert labels.on(now).judged_at == 7 and UNJUDGED not in labels.on(now).codes


def test_labels_that_need_no_model_by_hand() -> None:
    catalogue = Catalogue((Slot("a", "title"), Slot("b", "tag")), PRODUCTS, ELEMENTS)
    impressions = np.array([MANY, 5, 0, MANY, 0, MANY, 0])
    names = [NAMES[code] if code != UNJUDGED else "?" for code in plain_labels(catalogue, impressions)]
    assert names == ["?", "GOOD", "PENDING", "GOOD", "GOOD", "", "LEARNING"], "t0 s0 t1 q0 g0 x0 t2"
    assert groups_to_judge(catalogue, impressions) == [(0, 0)]
    optional = replace(catalogue, slots=(Slot("a", "title"), Slot("b", "tag", required=False)))
    assert NAMES[plain_labels(optional, impressions)[4]] == "LEARNING", "the place may stay empty: a choice of two"


def test_the_busiest_are_judged_first(view: View) -> None:
    groups, catalogue = groups_to_judge(view.index.catalogue, view.counts.element[0]), view.index.catalogue
    open_ = plain_labels(catalogue, view.counts.element[0]) == UNJUDGED
    traffic = []
    for product, part in groups:
        rows = catalogue.members(product, part)
        traffic.append(view.counts.element[0][rows[open_[rows]]].sum())
    assert traffic == sorted(traffic, reverse=True) and len(groups) == len(set(groups))
