"""The tally equals the reports of the service at any moment, on both stores, while rewards still come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.kits.running_service import InProcess

from genco.serving.reports import shown_combinations, shown_elements
from genco.storage.runs import RunFolder
from genco.studio.tally import HOUR, SECOND, Counts, Flow, Tally, _rolled_up


@pytest.fixture
def running(pairs_run: RunFolder, store_url: str) -> Iterator[InProcess]:
    with InProcess(pairs_run.path, store_url, reward_window_seconds=60, holdout=0.3) as running:
        yield running


def same_as_reports(running: InProcess, counts: Counts) -> None:
    with running.service.engine.connect() as connection:
        rows = shown_combinations(connection)
    catalogue = running.service.model.catalogue
    assert counts.total.impressions == sum(row.impressions for row in rows) == counts.product[0].sum()
    assert counts.total.clicks == sum(row.clicks for row in rows) == counts.product[1].sum()
    found = {
        str(catalogue.elements["element_id"][int(row)]): counts.element[:, row].tolist()
        for row in np.flatnonzero(counts.element[0])
    }
    assert found == {row.element_id: [row.impressions, row.clicks] for row in shown_elements(rows, catalogue)}


def test_it_equals_the_reports_while_rewards_come_in(running: InProcess) -> None:
    tally = Tally(running.service)
    assert tally.refresh().total == Flow()
    ids = []
    for i in range(12):
        made = show(running, i % 3, actor_id=f"a{i}")
        ids.append(made["event_id"])
    same_as_reports(running, tally.refresh())
    running.report(*({"event_id": name, "kind": "click"} for name in ids[:5]))
    counts = tally.refresh()
    same_as_reports(running, counts)
    assert (counts.total.impressions, counts.total.clicks) == (12, 5)
    assert counts.policy("model") + counts.policy("holdout") == counts.total
    running.travel(100)  # all are settled
    same_as_reports(running, tally.refresh())
    running.report({"event_id": ids[7], "kind": "click"})  # late: never counted
    running.decide(product(running, 0))  # not shown
    counts = tally.refresh()
    assert counts.total.impressions == 12 and counts.total.clicks == 5
    same_as_reports(running, counts)
    same_as_reports(running, Tally(running.service).refresh())


def show(running: InProcess, row: int, **fields: Any) -> dict[str, Any]:
    """A decision that is shown at once."""
    return running.decide(product(running, row), defer_activation=False, **fields)


def product(running: InProcess, row: int) -> str:
    return str(running.service.model.catalogue.products["product_id"][row])


def test_what_the_catalogue_lacks_is_counted_apart(running: InProcess) -> None:
    from sqlalchemy import update

    from genco.serving.tables import decisions

    made = show(running, 0)
    show(running, 1)
    tally = Tally(running.service)
    with running.service.engine.begin() as connection:
        row = decisions.c.event_id == made["event_id"]
        connection.execute(update(decisions).where(row).values(combination='["gone", null, "gone"]'))
        connection.execute(update(decisions).where(~row).values(product_id="gone"))
    counts = tally.refresh()
    assert counts.unknown[0].tolist() == [1, 0, 1] and counts.empty[0].tolist() == [0, 1, 0]
    assert counts.products_unknown.tolist() == [1, 0] and counts.total.impressions == 2


def test_old_periods_are_merged(running: InProcess) -> None:
    now = 1_000 * HOUR
    flows = {(now - 100 * HOUR + i * 5 * SECOND, "model"): Flow(1, 0, 1) for i in range(720)}
    flows |= {(now - 2 * HOUR + i * 5 * SECOND, "model"): Flow(1, 1, 0) for i in range(24)}
    flows |= {(now - 10 * SECOND, "model"): Flow(2, 0, 0)}
    counts = Counts.nothing(running.service.model.catalogue)
    merged = _rolled_up(Counts(**{**vars(counts), "flows": flows}), now).flows
    assert sorted(merged.values(), key=lambda flow: flow.impressions) == [
        Flow(2, 0, 0),
        Flow(12, 12, 0),
        Flow(12, 12, 0),
        Flow(720, 0, 720),
    ]


def test_many_decisions_are_read_in_parts(running: InProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("genco.studio.tally.CHUNK", 3)
    for i in range(11):
        show(running, i % 2)
    same_as_reports(running, Tally(running.service).refresh())


def test_a_catalogue_that_grows_keeps_its_counts(running: InProcess) -> None:
    show(running, 0)
    tally = Tally(running.service)
    before = tally.refresh()
    catalogue = running.service.model.catalogue
    component = catalogue.components[0]
    element = {"element_id": "new", "component": component, "product_id": product(running, 0)}
    answer = running.client.put("/v1/catalogue", json={"elements": [element]})
    assert answer.status_code == 200, answer.text
    grown = running.service.model.catalogue
    assert grown.num_elements == catalogue.num_elements + 1
    assert tally.counts_on(grown).element.shape == (2, grown.num_elements)
    counts = tally.refresh()
    assert counts.element[:, :-1].tolist() == before.element.tolist() and counts.element[0, -1] == 0
