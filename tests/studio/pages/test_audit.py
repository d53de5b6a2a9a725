"""The audit log in a browser; filters and pages on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.serving.audit import note
from genco.serving.tables import audit
from genco.storage.runs import RunFolder
from genco.studio.queries.audit import PAGE_SIZE

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "<script>alert(1)</script>\u202e 标题🎉"


@pytest.fixture
def client(pairs_run: RunFolder, store_url: str) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, store_url) as client:
        with client.service.engine.begin() as connection:
            connection.execute(delete(audit))  # the line of the key
        client.enter("viewer")
        yield client


def write(client: StudioClient, num: int, actor: str, act: str, about: str) -> None:
    with client.service.engine.begin() as connection:
        for i in range(num):
            note(connection, 1_000_000 + i, actor, act, {"element": f"{about} {i}"})


def test_the_audit_log_is_readable_by_everyone(page: Page) -> None:
    check_page(page, "/studio/audit", "audit")


def test_an_empty_log_says_what_will_be_in_it(client: StudioClient) -> None:
    assert "Nobody has changed anything yet." in client.page("/studio/audit")


def test_lines_come_in_pages_and_equal_the_store(client: StudioClient) -> None:
    write(client, PAGE_SIZE + 5, "user:ann", "apply_control", "e1")
    write(client, 3, "user:bob", "promote_model", "100% of _")
    with client.service.engine.connect() as connection:
        stored = [row.number for row in connection.execute(select(audit).order_by(audit.c.number.desc()))]
    first = client.twin("/studio/audit")
    second = client.twin("/studio/audit", before=first["older"])
    assert [line["number"] for page in (first, second) for line in page["lines"]] == stored
    assert second["older"] is None and len(first["lines"]) == PAGE_SIZE
    assert first["actors"] == {"user:ann": "ann", "user:bob": "bob"}
    assert first["acts"] == ["apply_control", "promote_model"]


def test_filters(client: StudioClient) -> None:
    write(client, 3, "user:ann", "apply_control", HOSTILE)
    write(client, 2, "user:bob", "promote_model", "100%")

    def num(**asked: str) -> int:
        return len(client.twin("/studio/audit", **asked)["lines"])

    assert (
        num(actor="user:ann") == 3 and num(act="promote_model") == 2 and num(actor="user:bob", act="apply_control") == 0
    )
    assert num(about="标题🎉 1") == 1 and num(about="0%") == 2 and num(about="_") == 0
    assert "No line fits." in client.page("/studio/audit", about="nothing like it")


def test_hostile_text_stays_text(client: StudioClient) -> None:
    write(client, 1, "user:ann", HOSTILE[:30], HOSTILE)
    page = client.page("/studio/audit", about=HOSTILE)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "标题🎉" in page
    assert client.client.get("/studio/audit", params={"before": "x"}).status_code == 422
