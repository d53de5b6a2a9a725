"""One server on each kind of store and one browser a session, and a signed-in page of it. On SQLite all browser tests
run; on PostgreSQL a few of them, with the soak all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert
from tests.kits.hostile import hostile_catalogue
from tests.kits.running_service import KEY, RunningService
from tests.kits.waiting import PATIENCE
from tests.serving.conftest import fresh_database, postgres, store_url

from genco.serving.keys import SCOPES, add_key
from genco.serving.store import open_store
from genco.serving.tables import users
from genco.studio.users import ROLES, password_hash

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from genco.data.catalogue import Catalogue
    from genco.storage.dataset import Dataset
    from genco.storage.runs import RunFolder

__all__ = ["postgres", "store_url"]  # fixtures of the service's tests

PASSWORD = "a password for tests"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def open_studio_store(url: str) -> None:
    """A store with one key and a user of every role, each named as the role."""
    engine = open_store(url)
    add_key(engine, "test", SCOPES, 0, KEY)
    now = time.time_ns() // 1_000
    rows = [{"name": role, "role": role, "password": hashed(PASSWORD), "created_at": now} for role in ROLES]
    with engine.begin() as connection:
        connection.execute(insert(users), rows)
    engine.dispose()


@cache
def hashed(password: str) -> str:
    """Made once: it is slow on purpose."""
    return password_hash(password)


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def studio(
    request: pytest.FixtureRequest, card: Dataset, card_run: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A server with the studio on a small world of product cards, one of its products hostile in every word."""
    folder = tmp_path_factory.mktemp("studio")
    is_sqlite = request.param == "sqlite"
    store = str(folder / "store.db") if is_sqlite else fresh_database(request.getfixturevalue("postgres"), "studio")
    open_studio_store(store)
    with RunningService(card_run.path, store, folder, ("--pictures", card.path)) as running:
        answer = running.client.put("/v1/catalogue", json=hostile_catalogue(card.catalogue.components))
        assert answer.status_code == 200, answer.text
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with sync.sync_playwright() as playwright:
        sync.expect.set_options(1_000 * PATIENCE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def cookies(browser: Browser, studio: RunningService) -> list[Any]:
    """Of an admin who signed in through the form."""
    context = browser.new_context(base_url=studio.url)
    context.set_default_timeout(1_000 * PATIENCE)
    sign_in(context.new_page(), "admin")
    found: list[Any] = context.cookies()
    context.close()
    return found


@pytest.fixture
def page(browser: Browser, studio: RunningService, cookies: list[Any]) -> Iterator[Page]:
    """A page of a signed-in admin. It must log no error, break no rule of its content policy, open no dialog of its own
    accord and ask no other machine for anything."""
    context = browser.new_context(base_url=studio.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1_000 * PATIENCE)
    context.add_cookies(cookies)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith(studio.url) else None)
    yield page
    assert page.evaluate("document.documentElement.dataset.broken") is None
    context.close()
    assert faults == []


def is_fault(message: Any) -> bool:
    """Whether a line of the console is one. A page that is an error page loads with its status, as it should."""
    return message.type == "error" and not (
        "Failed to load resource" in message.text and "/studio/pro" in message.location["url"]
    )


def sign_in(page: Page, name: str) -> None:
    """Through the form."""
    page.goto("/studio/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/studio/")


@pytest.fixture(scope="session")
def catalogue(card: Dataset) -> Catalogue:
    return card.catalogue
