"""Who gets in: closed by default, sessions, roles, forms, links, headers, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient
from tests.kits.studio_pages import server_time
from tests.kits.waiting import PATIENCE
from tests.studio.conftest import PASSWORD, open_studio_store

from genco.serving.app import create_app
from genco.serving.config import ServiceConfig
from genco.serving.errors import ApiError
from genco.serving.service import Service
from genco.serving.store import open_store
from genco.serving.tables import sessions
from genco.storage.runs import RunFolder
from genco.studio.access import COOKIE
from genco.studio.app import StudioSurface
from genco.studio.headers import POLICY
from genco.studio.sessions import MAX_FAILURES, MOST_AT_ONCE, Attempts, Links, find_session
from genco.studio.users import add_user, list_users, remove_user


@pytest.fixture
def surface(pairs_run: RunFolder, store_url: str) -> StudioSurface:
    open_studio_store(store_url)
    return StudioSurface(Service(pairs_run.path, store_url, ServiceConfig(learn_every_seconds=0)))


@pytest.fixture
def client(surface: StudioSurface) -> Iterator[TestClient]:
    app = create_app(surface.studio.service, [surface])
    with TestClient(app, follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def shared(pairs_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One client on SQLite for what changes nothing in the store."""
    store = str(tmp_path_factory.mktemp("access") / "store.db")
    open_studio_store(store)
    surface = StudioSurface(Service(pairs_run.path, store, ServiceConfig(learn_every_seconds=0)))
    app = create_app(surface.studio.service, [surface])
    with TestClient(app, follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


def enter(client: TestClient, name: str, password: str = PASSWORD, **also: str) -> int:
    """Sign in; the status."""
    return client.post("/studio/sign-in", data={"name": name, "password": password, **also}).status_code


def test_nothing_is_shown_to_who_is_not_signed_in(shared: TestClient) -> None:
    client = shared
    client.cookies.clear()
    page = client.get("/studio/?live=0")
    assert page.status_code == 303 and page.headers["location"] == "/studio/sign-in?next=%2Fstudio%2F%3Flive%3D0"
    twin = client.get("/studio/overview.json")
    assert twin.status_code == 401 and twin.json()["error"]["code"] == "sign_in_needed"
    assert client.get("/studio/", headers={"hx-request": "true"}).headers["hx-redirect"].startswith("/studio/sign-in")
    client.cookies.set(COOKIE, "made up")
    assert client.get("/studio/").status_code == 303


def test_every_answer_carries_the_policy(shared: TestClient) -> None:
    for path in ("/studio/sign-in", "/studio/overview.json", "/studio/static/studio.css", "/studio/nowhere"):
        headers = shared.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert 0 < server_time(headers) < PATIENCE


def test_signing_in_and_out(client: TestClient) -> None:
    assert enter(client, "viewer", "wrong password") == 401
    answer = client.post("/studio/sign-in", data={"name": "viewer", "password": PASSWORD, "next": "/studio/products"})
    assert answer.headers["location"] == "/studio/products"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/studio" in cookie
    page = client.get("/studio/")
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    assert client.post("/studio/sign-out").status_code == 403, "a form without the session's token"
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    assert client.post("/studio/sign-out", data={"form_token": token}).status_code == 303
    assert client.get("/studio/").status_code == 303


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/studio/", "/v1/models", "/studio/\\evil"])
def test_the_way_back_stays_inside(shared: TestClient, target: str) -> None:
    answer = shared.post("/studio/sign-in", data={"name": "viewer", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/studio/"


def test_forms_of_other_sites_are_refused(shared: TestClient) -> None:
    data = {"name": "viewer", "password": PASSWORD}
    assert shared.post("/studio/sign-in", data=data, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_guessing_is_slowed_down(shared: TestClient) -> None:
    assert [enter(shared, "admin", f"guess number {i}") for i in range(6)] == [401] * 5 + [429]
    assert enter(shared, "admin") == 429 and enter(shared, "editor") == 303


def test_a_session_ends_with_its_time_and_with_its_user(client: TestClient, surface: StudioSurface) -> None:
    service = surface.studio.service
    enter(client, "viewer")
    with service.engine.begin() as connection:
        remove_user(connection, "viewer")
    assert client.get("/studio/").status_code == 303
    enter(client, "editor")
    assert client.get("/studio/").status_code == 200
    service.clock._offset += 13 * 3_600_000_000
    assert client.get("/studio/").status_code == 303
    enter(client, "editor")
    old = client.cookies[COOKIE]
    enter(client, "editor")  # in the same browser
    with service.engine.connect() as connection:
        assert len(connection.execute(select(sessions)).all()) == 1
    assert find_session(service.engine, old, service.clock.now()) is None


def test_a_link_ends_with_its_time() -> None:
    now = [0.0]
    links = Links(lambda: now[0])
    secret = links.make("")
    now[0] = 12 * 3600 - 1
    found = links.find(secret)
    assert found is not None and found.user == "" and links.find("made up") is None
    now[0] += 2
    assert links.find(secret) is None
    secret = links.invite("ann", 0)
    now[0] += 24 * 3600 - 1
    assert links.find(secret) is not None
    now[0] += 2
    assert links.find(secret) is None


def test_the_first_admin_is_made_once(pairs_run: RunFolder, store_url: str) -> None:
    said: list[str] = []
    service = Service(pairs_run.path, store_url, ServiceConfig(learn_every_seconds=0))
    surface = StudioSurface(service, url="http://here", say=said.append)
    with TestClient(create_app(service, [surface]), follow_redirects=False) as client:
        link = said[0].split("link=")[1]
        assert client.get("/studio/enter", params={"link": "made up"}).status_code == 403
        assert "Make the first admin" in client.get("/studio/enter", params={"link": link}).text
        form = {"link": link, "name": "ann", "password": "short"}
        assert client.post("/studio/enter", data=form).status_code == 422
        assert client.post("/studio/enter", data=form | {"password": PASSWORD}).status_code == 303
        assert client.post("/studio/enter", data=form | {"name": "eve", "password": PASSWORD}).status_code == 403
        assert [(user.name, user.role) for user in list_users(service.engine)] == [("ann", "admin")]
        assert client.get("/studio/").status_code == 200


def test_users_are_checked(store_url: str) -> None:
    from genco.errors import ConfigError, UnknownIdError

    engine = open_store(store_url)
    with engine.begin() as connection:
        add_user(connection, "ann", "viewer", PASSWORD, 1)
        for name, role, password in (("", "viewer", PASSWORD), ("bob", "king", PASSWORD), ("bob", "viewer", "short")):
            with pytest.raises(ConfigError):
                add_user(connection, name, role, password, 1)
        with pytest.raises(ConfigError, match="already"):
            add_user(connection, "ann", "admin", PASSWORD, 2)
        with pytest.raises(UnknownIdError):
            remove_user(connection, "bob")
    engine.dispose()


def test_guesses_sent_all_at_once_count_one_by_one() -> None:
    attempts = Attempts()
    with pytest.raises(ApiError, match="Too many people"), ExitStack() as under_way:
        for number in range(MOST_AT_ONCE + 1):
            under_way.enter_context(attempts.one(f"user{number}", "a"))
    with attempts.one("ann", "b"), pytest.raises(ApiError, match="Too many wrong"), ExitStack() as under_way:
        for _ in range(MAX_FAILURES):
            with attempts.one("ann", "b"):
                pass
    fresh = Attempts()
    for _ in range(3 * MAX_FAILURES):
        with fresh.one("ann", "b"):
            pass
        fresh.succeeded("ann", "b")


@pytest.mark.parametrize(
    "target", ["//[", "https:/studio/x", "javascript:/studio/%0aalert(1)", "//elsewhere/studio/", "/studio/sign-in"]
)
def test_a_sign_in_ends_on_a_page_of_the_studio(shared: TestClient, target: str) -> None:
    asked = shared.get("/studio/sign-in", params={"next": target})
    assert asked.status_code == 200 and 'name="next" value="/studio/"' in asked.text
    sent = {"name": "viewer", "password": PASSWORD, "next": target}
    assert shared.post("/studio/sign-in", data=sent).headers["location"] == "/studio/"
    shared.cookies.clear()


def test_texts_that_no_store_can_hold_are_refused(client: TestClient) -> None:
    assert enter(client, "an\x00n") == 401
    assert enter(client, "admin") == 303
    digits = "9" * 5_000
    for path in ("controls.json?product=%00", "audit.json?actor=%00", f"product.json?id=%00&slot.{digits}=x"):
        assert client.get(f"/studio/{path}").status_code < 500
    token = client.get("/studio/models").text.split('name="form_token" value="')[1].split('"')[0]
    for act, form in (
        ("register", {"path": "a\x00"}),
        ("register", {"path": "a" * 300}),
        ("promote", {"version": "\x00"}),
        ("stage", {"version": "x", "stages": "nan 100", "minutes": "1", "min_decisions": "1"}),
    ):
        answer = client.post(f"/studio/models/{act}", data={**form, "form_token": token})
        assert 400 <= answer.status_code < 500, (act, form, answer.status_code)
