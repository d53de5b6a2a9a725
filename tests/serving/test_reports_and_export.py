"""What was shown and clicked adds up, in reports and in the exported dataset, and the export trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select
from tests.conftest import PAIRS_CONFIG
from tests.kits.command_line import genco_json
from tests.kits.other_run import other_run
from tests.kits.running_service import InProcess

from genco.cli.export_command import As
from genco.errors import DataError
from genco.serving import registry
from genco.serving.export import export_log
from genco.serving.store import open_store
from genco.serving.tables import audit, decisions
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.runs import RunFolder
from genco.storage.writer import DatasetWriter
from genco.training.config import config_from
from genco.training.train import train


def fill(running: InProcess, num: int = 60) -> int:
    """Decisions of five products; four of five are shown, every third of those clicked. Returns the number shown."""
    products = running.service.model.catalogue.products["product_id"]
    made = [running.decide(str(products[i % 5])) for i in range(num)]
    shown = [answer["event_id"] for i, answer in enumerate(made) if i % 5 != 4]
    rows = [{"event_id": name, "kind": "impression"} for name in shown]
    rows += [{"event_id": name, "kind": "click"} for name in shown[::3]]
    rows += [{"event_id": name, "kind": "conversion", "value": 2.5, "id": "o"} for name in shown[:2]]
    running.report(*rows)
    running.report({"event_id": shown[1], "kind": "reward", "value": 0.25, "slot_id": "title"})
    return len(shown)


def test_counts_add_up(pairs_run: RunFolder, store_url: str) -> None:
    with InProcess(pairs_run.path, store_url) as running:
        shown = fill(running)
        combinations = running.client.get("/v1/reports/combinations").json()
        elements = running.client.get("/v1/reports/elements").json()
        one = running.client.get("/v1/reports/combinations", params={"product_id": "nothing"}).json()
    clicks = len(range(0, shown, 3))
    for report in (combinations, elements):
        assert (report["impressions"], report["clicks"]) == (shown, clicks)
    rows = combinations["combinations"]
    assert sum(row["impressions"] for row in rows) == shown and sum(row["clicks"] for row in rows) == clicks
    assert sum(row["revenue"] for row in rows) == 5.0 and sum(row["conversions"] for row in rows) == 2
    assert sum(row["reward"] for row in rows) == clicks + 0.25
    for slot in ("title", "image", "tag"):
        mine = [row for row in elements["elements"] if row["slot_id"] == slot]
        assert sum(row["impressions"] for row in mine) == shown and sum(row["clicks"] for row in mine) == clicks
    assert (one["impressions"], one["clicks"], one["combinations"]) == (0, 0, [])


def test_the_export_is_the_log_and_trains(pairs_run: RunFolder, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    with InProcess(pairs_run.path, store) as running:
        shown = fill(running)
        until = running.service.clock.now() + 1
    engine = open_store(store)
    done = export_log(engine, tmp_path / "data", until)
    assert (done.rows, done.rounded, done.left_out) == (shown, 1, 0)
    dataset = open_dataset(tmp_path / "data")
    rows = pl.concat([pl.read_parquet(file.path) for file in dataset.files])
    with engine.connect() as connection:
        logged = {row.event_id: row for row in connection.execute(select(decisions))}
    engine.dispose()
    assert rows.height == shown and rows["num_clicks"].sum() == len(range(0, shown, 3))
    for row in rows.iter_rows(named=True):
        assert row["propensity"] == logged[row["impression_id"]].propensity
        assert row["model_version"] == logged[row["impression_id"]].model_version
    run = train(
        dataset, tmp_path / "next", config_from({**PAIRS_CONFIG, "training": {"steps": 1, "requests": 8, "group": 4}})
    )
    assert run.finished


def test_older_data_are_joined_with_the_log(pairs_run: RunFolder, pairs: Dataset, tmp_path: Path) -> None:
    """Rows of both, the older ones first; what only the older data know is there and may not be shown."""
    with DatasetWriter(tmp_path / "older", pairs.meta) as writer:
        catalogue = pairs.catalogue
        gone = catalogue.elements.head(1).with_columns(element_id=pl.lit("gone"))
        writer.write_products(catalogue.products)
        writer.write_elements(pl.concat([catalogue.elements, gone]))
        table = pl.read_parquet(pairs.files[0].path).head(500)
        slot = next(slot.name for slot in catalogue.slots if slot.component == gone["component"][0])
        product = gone["product_id"][0]
        is_first = (pl.int_range(pl.len()) == 0) if product is None else (pl.col("product_id") == product)
        shown_gone = pl.when(is_first).then(pl.lit("gone")).otherwise(pl.col(slot).cast(pl.String))
        writer.append_impressions(table.with_columns(shown_gone.alias(slot)))
    older = open_dataset(tmp_path / "older")
    with InProcess(pairs_run.path, str(tmp_path / "store.db")) as running:
        shown = fill(running)
        engine, until = running.service.engine, running.service.clock.now() + 1
        done = export_log(engine, tmp_path / "data", until, older=older)
        with pytest.raises(DataError, match="impression_id"):
            export_log(engine, tmp_path / "twice", until, older=open_dataset(tmp_path / "data"))
        with pytest.raises(DataError, match="reward as in the served run"):
            other = Dataset(older.path, replace(older.meta, reward="num_conversions"), older.files)
            export_log(engine, tmp_path / "other", until, older=other)
    dataset = open_dataset(tmp_path / "data")
    batches = list(dataset.batches())
    assert (done.rows, done.joined, dataset.num_rows) == (shown, 500, shown + 500)
    before = sum(batch.reward.sum() for batch in older.batches())
    assert sum(batch.reward.sum() for batch in batches) == before + len(range(0, shown, 3))
    assert dataset.catalogue.elements.filter(element_id="gone")["status"].to_list() == ["pending"]
    assert (batches[0].combination == dataset.catalogue.element_rows["gone"]).any()


def test_the_command_exports_what_has_settled(pairs_run: RunFolder, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    with InProcess(pairs_run.path, store) as running:
        shown = fill(running, 10)
    found = genco_json("export", "--store", store, "--out", tmp_path / "early")
    assert found["rows"] == 0  # their reports may still come
    found = genco_json("export", "--store", store, "--out", tmp_path / "data", "--window", "0")
    assert found["rows"] == shown


@pytest.mark.parametrize("name", [entry.value for entry in As if entry is not As.dataset])
def test_the_command_exports_what_others_read(name: str, pairs_run: RunFolder, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    with InProcess(pairs_run.path, store) as running:
        shown = fill(running, 10)
    found = genco_json("export", "--store", store, "--out", tmp_path / "log", "--window", "0", "--format", name)
    assert (found["format"], found["rows"], found["left_out"], found["rounded"]) == (name, shown, 0, 1)
    assert Path(found["path"]).exists() and sorted(path.name for path in tmp_path.iterdir())[:1] == ["log"]


def test_an_empty_store_has_nothing_to_export(tmp_path: Path) -> None:
    engine = open_store(str(tmp_path / "store.db"))
    with pytest.raises(DataError, match="never served a run"):
        export_log(engine, tmp_path / "data", 1)
    engine.dispose()


def test_acts_of_admins_are_audited(pairs_run: RunFolder, tmp_path: Path) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "store.db")) as running:
        element = str(running.service.model.catalogue.elements["element_id"][0])
        change = {"statuses": [{"element_id": element, "status": "pending"}]}
        assert running.client.put("/v1/catalogue", json=change).status_code == 200
        running.client.post(f"/v1/models/{running.service.model.version}/promote")
        with running.service.engine.connect() as connection:
            acts = connection.execute(select(audit.c.act, audit.c.detail).where(audit.c.act != "add_key")).all()
    assert [act for act, _ in acts] == ["apply_control", "promote_model"]
    assert element in acts[0].detail


def test_an_act_and_its_audit_row_are_one_transaction(
    pairs_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the audit log cannot be written, nothing is promoted."""
    from genco.serving.routes import models as routes

    def fail(*_: object) -> None:
        raise ValueError

    other = other_run(pairs_run.path, tmp_path / "other", 0.5)
    with InProcess(pairs_run.path, str(tmp_path / "store.db")) as running:
        known = running.client.post("/v1/models", json={"path": str(other)}).json()["models"]
        version = next(model["version"] for model in known if not model["served"])
        monkeypatch.setattr(routes, "note", fail)
        assert running.client.post(f"/v1/models/{version}/promote").status_code == 500
        served = registry.served(running.service.engine)
        assert served is not None and served.version == running.service.live.version.version != version
        monkeypatch.undo()
        assert running.client.post(f"/v1/models/{version}/promote").status_code == 200
        with running.service.engine.connect() as connection:
            lines = connection.execute(select(audit.c.act, audit.c.detail).where(audit.c.act != "add_key")).all()
    assert [line.act for line in lines] == ["register_model", "promote_model"]
    assert version in lines[1].detail
