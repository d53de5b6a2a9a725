"""People and keys: only admins, everything in the audit log, links that work once, nobody locked out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from html import unescape
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.kits.running_service import KEY
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.errors import DataError
from genco.serving.writer import Writer
from genco.storage.runs import RunFolder
from genco.studio.users import add_user, remove_user, user_with_password

NEW = "a new password"


@pytest.fixture
def client(pairs_run: RunFolder, store_url: str) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, store_url) as client:
        client.enter("admin")
        yield client


def link_in(page: str) -> str:
    found = re.search(r'readonly value="([^"]+)"', page)
    assert found is not None
    return unescape(found[1])


@contextmanager
def held_up(writer: Writer, num: int) -> Iterator[None]:
    """Nothing is written before the end, where at least `num` writes wait, then in one transaction."""
    go = threading.Event()
    writer.submit(lambda _: go.wait(30))
    try:
        yield
        wait_for_writes(writer, num)
    finally:
        go.set()


def wait_for_writes(writer: Writer, num: int) -> None:
    deadline = time.monotonic() + 20
    while writer.num_waiting < num and time.monotonic() < deadline:
        time.sleep(0.01)


def test_people_are_readable_by_everyone(page: Page) -> None:
    check_page(page, "/studio/people", "people")


def test_somebody_is_added_chooses_a_password_once_and_is_removed(client: StudioClient) -> None:
    shown = client.send("/studio/people/add", name="ann", role="editor")
    assert shown.status_code == 200, shown.text
    link = link_in(shown.text)
    assert link not in client.page("/studio/people"), "it is shown once"
    assert "You are invited as <strong>ann</strong>" in client.client.get(link).text
    secret = link.split("link=")[1]
    short = client.client.post("/studio/enter/password", data={"link": secret, "password": "short"})
    assert short.status_code == 422 and "at least 10 characters" in short.text
    client.client.cookies.clear()
    assert client.client.post("/studio/enter/password", data={"link": secret, "password": NEW}).status_code == 303
    assert "ann <small>editor" in client.page("/studio/")
    assert client.client.post("/studio/enter/password", data={"link": secret, "password": NEW}).status_code == 403
    assert client.client.get(link).status_code == 403
    client.client.cookies.clear()
    assert client.client.post("/studio/sign-in", data={"name": "ann", "password": NEW}).status_code == 303

    client.enter("admin")
    ann = next(row for row in client.twin("/studio/people")["people"] if row["name"] == "ann")
    assert (ann["role"], ann["sessions"]) == ("editor", 1), "the admin took over the browser of the other"
    later = link_in(client.send("/studio/people/link", name="ann").text)
    assert client.send("/studio/people/remove", name="ann").status_code == 303
    assert "ann" not in [row["name"] for row in client.twin("/studio/people")["people"]]
    assert client.client.get(later).status_code == 403, "the link ended with the user"
    lines = [(line["act"], line["actor"]) for line in client.twin("/studio/audit", about="ann")["lines"]]
    assert lines == [
        ("remove_user", "user:admin"),
        ("make_link", "user:admin"),
        ("choose_password", "user:ann"),
        ("make_link", "user:admin"),
        ("add_user", "user:admin"),
    ]


def test_a_link_ends_with_the_next_one(client: StudioClient) -> None:
    first = link_in(client.send("/studio/people/link", name="viewer").text)
    second = link_in(client.send("/studio/people/link", name="viewer").text)
    assert [client.client.get(link).status_code for link in (first, second)] == [403, 200]


def test_a_link_outlives_a_write_of_somebody_else_that_fails(client: StudioClient) -> None:
    """The writes of one transaction are tried again one by one: none of them is taken for a second use of the link."""
    secret = link_in(client.send("/studio/people/link", name="viewer").text).split("link=")[1]
    writer, data = client.service.writer, {"link": secret, "password": NEW}

    def fail(_: object) -> None:
        raise DataError("somebody else's")

    with ThreadPoolExecutor(1) as thread, held_up(writer, 2):
        chosen = thread.submit(client.client.post, "/studio/enter/password", data=data)
        wait_for_writes(writer, 1)
        failing: Future[Any] = writer.submit(fail)
    assert chosen.result(30).status_code == 303
    assert isinstance(failing.exception(30), DataError)
    assert client.client.post("/studio/enter/password", data=data).status_code == 403


def test_an_invitation_of_somebody_removed_by_command_is_no_fault(client: StudioClient) -> None:
    secret = link_in(client.send("/studio/people/add", name="ann", role="viewer").text).split("link=")[1]
    with client.service.engine.begin() as connection:
        remove_user(connection, "ann")
    answer = client.client.post("/studio/enter/password", data={"link": secret, "password": NEW})
    assert answer.status_code == 403 and "no user" in answer.text


def test_an_invitation_is_not_for_somebody_of_the_same_name(client: StudioClient) -> None:
    """Removed and made again by command, which this process is not told: the old link does not let in."""
    secret = link_in(client.send("/studio/people/add", name="ann", role="viewer").text).split("link=")[1]
    with client.service.engine.begin() as connection:
        remove_user(connection, "ann")
        add_user(connection, "ann", "admin", "another long password", client.service.clock.now())
    answer = client.client.post("/studio/enter/password", data={"link": secret, "password": NEW})
    assert answer.status_code == 403 and "no user" in answer.text
    assert user_with_password(client.service.engine, "ann", NEW) is None


def test_two_admins_who_remove_each_other_at_once_do_not_both_go(client: StudioClient) -> None:
    client.send("/studio/people/add", name="second", role="admin")
    with ThreadPoolExecutor(2) as threads, held_up(client.service.writer, 2):
        sent = [threads.submit(client.send, "/studio/people/remove", name=name) for name in ("admin", "second")]
    assert sorted(answer.result(30).status_code for answer in sent) == [303, 409]


def test_a_revoked_key_is_refused_at_once(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    client.decide(product)
    (key,) = client.twin("/studio/people")["keys"]
    assert KEY not in client.page("/studio/people") and "hash" not in key
    assert client.send("/studio/people/revoke-key", key_id=key["key_id"]).status_code == 303
    answer = client.client.post("/v1/decide", json={"product_id": product}, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 401
    assert client.twin("/studio/people")["keys"][0]["revoked_at"]
    assert client.twin("/studio/audit", act="revoke_key")["lines"][0]["actor"] == "user:admin"
    assert client.send("/studio/people/revoke-key", key_id=key["key_id"]).status_code == 404


def test_a_role_changes_at_once_and_is_noted(client: StudioClient) -> None:
    assert client.send("/studio/people/role", name="viewer", role="editor").status_code == 303
    roles = {row["name"]: row["role"] for row in client.twin("/studio/people")["people"]}
    assert roles == {"viewer": "editor", "editor": "editor", "admin": "admin"}
    line = client.twin("/studio/audit", act="change_role")["lines"][0]
    assert (line["actor"], line["detail"]) == ("user:admin", {"name": "viewer", "role": "editor"})
    assert client.send("/studio/people/role", name="admin", role="viewer").status_code == 409, "the last one"
    assert client.send("/studio/people/role", name="viewer", role="king").status_code == 422
    assert client.send("/studio/people/role", name="nobody", role="viewer").status_code == 404
    client.send("/studio/people/role", name="viewer", role="admin")
    assert client.send("/studio/people/role", name="admin", role="viewer").status_code == 303
    assert client.client.get("/studio/people").status_code == 403, "who gave the role away"


def test_a_key_is_made_shown_once_and_replaced(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])

    def status(secret: str) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return client.client.post("/v1/decide", json={"product_id": product}, headers=headers).status_code

    def known() -> list[tuple[str, list[str]]]:
        return [(key["name"], key["scopes"]) for key in client.twin("/studio/people")["keys"][1:]]

    made = client.send("/studio/people/add-key", name="商城 🛒", scope=["decide", "ingest"])
    assert made.status_code == 200, made.text
    first = secret_in(made.text)
    assert first not in client.page("/studio/people") and status(first) == 200
    assert known() == [("商城 🛒", ["decide", "ingest"])]
    second = secret_in(client.send("/studio/people/replace-key", key_id=key_id_of(client, 1)).text)
    assert first != second and known() == 2 * [("商城 🛒", ["decide", "ingest"])]
    assert (status(first), status(second)) == (200, 200), "both hold while programs change over"
    client.send("/studio/people/revoke-key", key_id=key_id_of(client, 1))
    assert (status(first), status(second)) == (401, 200)
    lines = [(line["act"], line["actor"]) for line in client.twin("/studio/audit", actor="user:admin")["lines"]]
    assert lines == [("revoke_key", "user:admin"), ("add_key", "user:admin"), ("add_key", "user:admin")]
    assert client.send("/studio/people/replace-key", key_id=key_id_of(client, 1)).status_code == 404
    for fields in ({"name": "x"}, {"name": " ", "scope": "read"}, {"name": "x", "scope": "all"}):
        assert client.send("/studio/people/add-key", **fields).status_code == 422, fields


def secret_in(page: str) -> str:
    found = re.search(r'id="secret"[^>]+value="([^"]+)"', page)
    assert found is not None
    return found[1]


def key_id_of(client: StudioClient, place: int) -> str:
    return str(client.twin("/studio/people")["keys"][place]["key_id"])


def test_nobody_is_locked_out_and_nobody_else_may(client: StudioClient) -> None:
    assert client.send("/studio/people/remove", name="admin").status_code == 409
    for fields in ({"name": "a b", "role": "viewer"}, {"name": "viewer", "role": "viewer"}, {"name": "x", "role": "x"}):
        assert client.send("/studio/people/add", **fields).status_code == 422, fields
    assert client.send("/studio/people/link", name="nobody").status_code == 404
    assert client.send("/studio/people/remove", name="nobody").status_code == 404
    for role in ("viewer", "editor"):
        client.enter(role)
        assert client.client.get("/studio/people").status_code == 403
        assert client.client.get("/studio/people.json").status_code == 403
        assert 'href="/studio/people"' not in client.page("/studio/")
        for act in ("add", "link", "remove", "role", "add-key", "replace-key", "revoke-key"):
            assert client.send(f"/studio/people/{act}", name="viewer").status_code == 403
    client.client.cookies.clear()
    assert client.client.get("/studio/people").status_code == 303
