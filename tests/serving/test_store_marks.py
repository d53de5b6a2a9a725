"""A run trained on an export follows the store it came from, and only that one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kits.other_run import other_run
from tests.kits.running_service import InProcess

from genco.serving.additions import grown
from genco.serving.additions_store import read_additions
from genco.serving.export import export_log
from genco.storage.dataset import open_dataset
from genco.storage.run_catalogue import keep_catalogue
from genco.storage.runs import RunFolder


@pytest.fixture
def running(card_run: RunFolder, tmp_path: Path) -> Iterator[InProcess]:
    with InProcess(card_run.path, str(tmp_path / "store.db"), rate_per_second=1e6, timeout_ms=5_000) as running:
        yield running


def put(running: InProcess, **what: object) -> None:
    answer = running.client.put("/v1/catalogue", json=what)
    assert answer.status_code == 200, answer.text


def titles(running: InProcess) -> list[str]:
    """Titles that the first product may show."""
    model = running.service.model
    product = str(model.catalogue.products["product_id"][0])
    space = model.question(product, {}).space
    return [str(model.catalogue.elements["element_id"][int(row)]) for row in space.candidates[0]]


def trained_on_the_export(running: InProcess, folder: Path, scale: float) -> str:
    """Version of a run that has the catalogue of an export of the log, promoted; as training would leave it."""
    export_log(running.service.engine, folder / "data", running.service.clock.now())
    dataset = open_dataset(folder / "data")
    path = other_run(Path(running.service.live.serving.control.base.run.path), folder / "run", scale)
    keep_catalogue(RunFolder.open(path), dataset.catalogue, dataset.meta)
    version = running.service.live.register(path).version
    running.service.live.promote(version)
    return version


def test_what_was_in_force_at_the_export_can_be_taken_back(running: InProcess, tmp_path: Path) -> None:
    """A block, the status of a row sent, and a rule; over two generations of runs."""
    own, second = titles(running)[:2]
    num_rules = len(running.service.model.catalogue.rules)
    product = str(running.service.model.catalogue.products["product_id"][0])
    sent = {"element_id": "new", "component": "title", "product_id": product, "text": "Neu"}
    forbid = {"kind": "block", "product_id": product, "element": second}
    put(running, elements=[sent | {"status": "pending"}], rules=[forbid])
    number = running.client.post(
        "/v1/controls", json={"changes": [{"kind": "status", "element_ids": [own], "status": "blocked"}]}
    ).json()["controls"][0]["number"]
    for generation in range(2):
        (tmp_path / str(generation)).mkdir()
        trained_on_the_export(running, tmp_path / str(generation), 0.5 + generation)
        data = open_dataset(tmp_path / str(generation) / "data").catalogue
        statuses = dict(data.elements.select("element_id", "status").iter_rows())
        assert (statuses[own], statuses["new"], len(data.rules)) == ("blocked", "pending", num_rules + 1)
        assert not {own, second, "new"} & set(titles(running))
    assert running.client.post(f"/v1/controls/{number}/undo").status_code == 200
    assert own in titles(running)
    put(running, elements=[sent | {"status": "approved"}])
    assert "new" in titles(running)
    put(running, rules=[])
    assert second in titles(running)
    put(running, elements=[sent | {"status": "blocked"}])
    assert "new" not in titles(running)


def test_a_stricter_row_sent_for_an_element_of_the_run_is_lifted_by_the_next(
    running: InProcess, tmp_path: Path
) -> None:
    """The row says `pending`, the run is trained on the export, the row says `approved` again."""
    own = titles(running)[0]
    catalogue = running.service.model.catalogue
    row = {"element_id": own, "component": "title"}
    row["product_id"] = catalogue.elements["product_id"][catalogue.element_rows[own]]
    put(running, elements=[row | {"status": "pending"}])
    for generation in range(2):
        (tmp_path / str(generation)).mkdir()
        trained_on_the_export(running, tmp_path / str(generation), 0.5 + generation)
        assert own not in titles(running)
    put(running, elements=[row | {"status": "approved"}])
    assert own in titles(running)


def test_another_store_serves_such_a_run_as_it_was_exported(running: InProcess, tmp_path: Path) -> None:
    own = titles(running)[0]
    put(running, statuses=[{"element_id": own, "status": "blocked"}])
    trained_on_the_export(running, tmp_path, 0.5)
    put(running, statuses=[{"element_id": own, "status": "approved"}])
    assert own in titles(running)
    with InProcess(tmp_path / "run", str(tmp_path / "other.db"), timeout_ms=5_000) as other:
        assert own not in titles(other)


def test_a_row_sent_does_not_loosen_what_the_run_had_before_the_store(running: InProcess, tmp_path: Path) -> None:
    """The first run's own elements keep their status, whatever was sent under their id."""
    own = titles(running)[0]
    base = running.service.live.serving.control.loaded[0]
    blocked = base.holding(base.catalogue.status_with({own: "blocked"}), ())
    keep_catalogue(RunFolder.open(other_run(base.run.path, tmp_path / "first", 0.9)), blocked.catalogue, blocked.meta)
    owner = base.catalogue.elements["product_id"][base.catalogue.element_rows[own]]
    component = str(base.catalogue.elements["component"][base.catalogue.element_rows[own]])
    put(running, elements=[{"element_id": own, "component": component, "product_id": owner, "status": "approved"}])
    live = running.service.live
    live.promote(live.register(tmp_path / "first").version)
    assert own not in titles(running)
    trained_on_the_export(running, tmp_path, 0.5)
    assert own not in titles(running)
    with running.service.engine.connect() as connection:
        additions = read_additions(connection)
    assert grown(live.current.optimizer, additions).catalogue.rules == ()
