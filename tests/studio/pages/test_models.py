"""Models in a browser; every lever of an admin on both stores, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert
from tests.kits.other_run import other_run
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.serving.alarms import raise_alarm
from genco.serving.tables import jobs
from genco.storage.runs import RunFolder

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEVERS = ("promote", "stage", "advance", "rollback", "register", "retrain", "close-alarm")
PLAN = {"stages": "10 50 100", "minutes": "1", "min_decisions": "5"}


@pytest.fixture
def client(pairs_run: RunFolder, store_url: str) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, store_url, guard_every_seconds=0) as client:
        client.enter("admin")
        yield client


@pytest.fixture
def second(pairs_run: RunFolder, tmp_path: Path) -> Path:
    return other_run(pairs_run.path, tmp_path / "second", 0.5)


def test_models_are_readable_by_everyone(page: Page) -> None:
    check_page(page, "/studio/models", "models")


def test_a_version_is_staged_advanced_ended_promoted_and_rolled_back(client: StudioClient, second: Path) -> None:
    live, first = client.service.live, client.service.live.version.version
    assert client.send("/studio/models/register", path=str(second)).status_code == 303
    version = next(row["version"] for row in client.twin("/studio/models")["versions"] if row["version"] != first)
    assert "Begin a staged rollout" in client.page("/studio/models")
    assert client.send("/studio/models/stage", version=version, **PLAN).status_code == 303
    shown = client.twin("/studio/models")
    assert shown["rollout"]["stages"] == [10, 50, 100] and shown["rollout"]["arms"][1]["version"] == version
    assert client.send("/studio/models/advance", version=version).status_code == 303
    assert live.serving.rollout is not None and live.serving.rollout.share == 0.5
    assert "50% now" in client.page("/studio/models")
    assert client.send("/studio/models/rollback", version=version).status_code == 303
    assert live.serving.rollout is None and live.version.version == first
    assert client.twin("/studio/models")["past"][0]["outcome"] == "rolled back by hand"
    assert client.send("/studio/models/promote", version=version).status_code == 303
    shown = client.twin("/studio/models")
    assert shown["served"] == version == live.version.version and shown["before"] == first
    assert [entry["why"] for entry in shown["history"]] == ["promote", "start"]
    assert client.send("/studio/models/rollback", version=version).status_code == 303
    assert client.twin("/studio/models")["served"] == first and not live.learning
    assert [line["act"] for line in client.twin("/studio/audit", actor="user:admin")["lines"]] == [
        *("roll_back_model", "promote_model", "roll_back_model", "advance_rollout", "begin_rollout", "register_model")
    ]


def test_alarms_are_shown_until_they_are_closed(client: StudioClient) -> None:
    with client.service.engine.begin() as connection:
        raise_alarm(connection, "rollout_value", {"version": "<b>v", "high": -0.001}, 1_000_000)
    page = client.page("/studio/models")
    assert "rollout_value" in page and "&lt;b&gt;v" in page and "<b>v" not in page
    number = str(client.twin("/studio/models")["alarms"][0]["number"])
    assert client.send("/studio/models/close-alarm", number=number).status_code == 303
    assert client.twin("/studio/models")["alarms"] == []


def test_jobs_are_shown_with_what_came_of_them(client: StudioClient) -> None:
    row = {"kind": "retrain", "state": "failed", "started_at": 1_000_000, "ended_at": 2_000_000, "progress": "x"}
    with client.service.engine.begin() as connection:
        connection.execute(insert(jobs).values(**row, error="no <rows>", result="{}"))
    assert "no &lt;rows&gt;" in client.page("/studio/models")
    assert client.twin("/studio/models")["jobs"][0]["state"] == "failed"


def test_held_out_figures_are_those_of_the_run(client: StudioClient, second: Path) -> None:
    found = json.loads((second / "held_out.json").read_text())
    against = {"version": "earlier", "log_loss": 0.5, "value": 0.002, "low": 0.001, "high": 0.003}
    (second / "held_out.json").write_text(json.dumps(found | {"against": against}))
    assert client.send("/studio/models/register", path=str(second)).status_code == 303
    rows = {row["path"]: row["held_out"] for row in client.twin("/studio/models")["versions"]}
    assert rows[str(second)] == found | {"against": against}
    assert list(rows.values())[1] == found | {"against": None}, "the run that is served kept its own"
    page = client.page("/studio/models")
    assert f"{found['log_loss']:.4f}" in page and "better" in page and "saves +0.00200 nats" in page


def test_misshapen_held_out_figures_are_told_on_the_page(client: StudioClient, second: Path) -> None:
    assert client.send("/studio/models/register", path=str(second)).status_code == 303
    (second / "held_out.json").write_text('{"rate": "high"}')
    faults = {row["path"]: row["fault"] for row in client.twin("/studio/models")["versions"]}
    assert "held_out.json should hold the figures of held-out rows" in faults[str(second)]
    assert list(faults.values())[1] == "" and client.page("/studio/models")


def test_faults_change_nothing(client: StudioClient) -> None:
    first = client.service.live.version.version
    for lever, fields, status in (
        ("promote", {"version": "nowhere"}, 404),
        ("stage", {"version": first, **PLAN}, 409),
        ("stage", {"version": first, **PLAN, "stages": "50 10"}, 422),
        ("stage", {"version": first, **PLAN, "minutes": "long"}, 422),
        ("advance", {"version": first}, 409),
        ("rollback", {"version": first}, 409),
        ("register", {"path": "nowhere"}, 422),
        ("retrain", {"then": "whatever"}, 422),
        ("close-alarm", {"number": "7"}, 404),
    ):
        answer = client.send(f"/studio/models/{lever}", **fields)
        assert (answer.status_code, "That did not work" in answer.text) == (status, True), lever
    assert client.twin("/studio/models")["served"] == first


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_admins_change_models(pairs_run: RunFolder, tmp_path: Path, role: str) -> None:
    with StudioClient(pairs_run.path, str(tmp_path / "store.db")) as client:
        client.enter(role)
        assert "Retrain on the log" not in client.page("/studio/models")
        assert [client.send(f"/studio/models/{lever}").status_code for lever in LEVERS] == [403] * len(LEVERS)
