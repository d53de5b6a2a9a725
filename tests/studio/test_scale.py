"""100,000 products and 2 million elements: no page takes a second of server time, on either store, and a newcomer plays
the three journeys in a browser. Held to the processor time of the service, as others work on the machine too: what
PostgreSQL itself takes is in the server's times alone. Run with -s to see the figures."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import expect
from sqlalchemy import insert
from starlette.testclient import TestClient
from tests.kits.running_service import RunningService
from tests.kits.service_rows import decision
from tests.kits.studio_pages import server_time
from tests.kits.waiting import PATIENCE, until
from tests.serving.conftest import fresh_database
from tests.studio.conftest import PASSWORD, open_studio_store, sign_in

from genco.data.catalogue import Catalogue
from genco.data.rules import Distinct
from genco.policies.optimizer import load
from genco.serving.app import create_app
from genco.serving.config import ServiceConfig
from genco.serving.service import Service
from genco.serving.tables import decisions, events
from genco.storage.run_catalogue import keep_catalogue
from genco.storage.runs import RunFolder
from genco.studio.app import StudioSurface

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

NUM_PRODUCTS, PER_PRODUCT, NUM_DECISIONS = 100_000, 20, 200_000
PAGES = (
    "/studio/",
    "/studio/products",
    "/studio/products?sort=rate&page=900",
    "/studio/products?sort=product_id&ascending=true&page=77",
    "/studio/products?search=proof&state=learning",
    "/studio/products?search=p00003-77",
    "/studio/product?id={product}",
    "/studio/product/by-hand?id={product}",
    "/studio/elements",
    "/studio/elements?sort=rate&page=20000",
    "/studio/elements?search=proof&status=approved&component=highlight",
    "/studio/elements?product_id={product}",
    "/studio/interactions",
    "/studio/interactions?product={product}",
    "/studio/combinations",
    "/studio/combinations?sort=rate&page=50",
    "/studio/combinations?product={product}",
    "/studio/models",
    "/studio/audit?about={product}",
    "/studio/controls",
    "/studio/controls?product={product}",
    "/studio/controls?product={product}&action=pause",
    "/studio/controls?product={product}&action=block_all&element=e0000000-0",
    "/studio/policy",
    "/studio/overview.json",
    "/studio/elements.json?search=bestseller",
)

CONFIG = ServiceConfig(learn_every_seconds=0, reward_window_seconds=0.0)

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def big_run(card_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The small run on a catalogue of many copies of its products, every highlight there twice."""
    folder = tmp_path_factory.mktemp("big") / "run"
    shutil.copytree(card_run.path, folder)
    small = load(card_run.path)
    own = small.catalogue
    again = own.elements.filter(pl.col("component") == "highlight").with_columns(pl.col("element_id") + "b")
    kept = pl.concat([own.elements, again])
    copies = -(-NUM_PRODUCTS // own.num_products)
    number = pl.DataFrame({"copy": [f"-{i}" for i in range(copies)]})

    def copied(table: pl.DataFrame, *names: str) -> pl.DataFrame:
        many = table.join(number, how="cross", maintain_order="right_left")
        return many.with_columns(pl.col(name).cast(pl.String) + pl.col("copy") for name in names).drop("copy")

    products = copied(own.products, "product_id").head(NUM_PRODUCTS)
    elements = copied(kept, "element_id", "product_id")
    elements = elements.filter(pl.col("product_id").is_in(products["product_id"].implode()))
    run = RunFolder.open(folder)
    rules = tuple(rule for rule in own.rules if isinstance(rule, Distinct))
    keep_catalogue(run, Catalogue(own.slots, products, elements, rules), replace(small.meta, rules=rules))
    return run


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, big_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A long log."""
    if request.param == "sqlite":
        store = str(tmp_path_factory.mktemp("big") / "store.db")
    else:
        store = fresh_database(request.getfixturevalue("postgres"), "big")
    open_studio_store(store)
    service = Service(big_run.path, store, CONFIG)
    fill(service)
    service.close()
    return store


@pytest.fixture(scope="module")
def client(big_run: RunFolder, store: str) -> Iterator[TestClient]:
    service = Service(big_run.path, store, CONFIG)
    surface = StudioSurface(service)
    started = time.process_time()
    assert surface.studio.tally.refresh().total.impressions == NUM_DECISIONS
    took = time.process_time() - started
    print(f"\ncounting {NUM_DECISIONS:,} decisions: {took:.1f} s, {NUM_DECISIONS / took:,.0f}/s")
    started = time.process_time()
    surface.studio.tally.refresh()
    print(f"counting again with nothing new: {1e3 * (time.process_time() - started):.0f} ms")
    with TestClient(create_app(service, [surface]), follow_redirects=False) as client:
        assert client.post("/studio/sign-in", data={"name": "admin", "password": PASSWORD}).status_code == 303
        yield client


def fill(service: Service) -> None:
    """Decisions on products by popularity, one in ten clicked."""
    rng = np.random.default_rng(0)
    optimizer = service.model.optimizer
    catalogue = optimizer.catalogue
    num = min(2_000, catalogue.num_products)
    texts = []
    for row in range(num):
        space = optimizer.policy.request(row, optimizer.context()).space
        texts.append([json.dumps(service.model.ids(space, at)) for at in space.sample_uniform(rng, 3)])
    now = service.clock.now() - NUM_DECISIONS * 1_000_000 - 10_000_000
    chosen = np.minimum(rng.zipf(1.3, NUM_DECISIONS) - 1, num - 1).tolist()
    ids = catalogue.products["product_id"][:num].to_list()
    for start in range(0, NUM_DECISIONS, 20_000):
        made, clicks = [], []
        for i in range(start, min(start + 20_000, NUM_DECISIONS)):
            row = chosen[i]
            values = decision(f"e{i}", now + i * 1_000_000)
            made.append(values | {"product_id": ids[row], "combination": texts[row][i % 3], "activated": True})
            if i % 10 == 0:
                values = {"row_id": f"r{i}", "event_id": f"e{i}", "kind": "click", "slot_id": "", "value": 1.0}
                clicks.append(values | {"received_at": now + i * 1_000_000, "late": False})
        with service.engine.begin() as connection:
            connection.execute(insert(decisions), made)
            connection.execute(insert(events), clicks)


Timed = list[tuple[str, float, float]]


def test_three_clicks_to_three_answers(browser: Browser, big_run: RunFolder, store: str, tmp_path: Path) -> None:
    with RunningService(big_run.path, store, tmp_path, reward_window_seconds=0.0) as running:
        context = browser.new_context(base_url=running.url)
        context.set_default_timeout(1_000 * PATIENCE)
        page, timed = context.new_page(), Timed()
        sign_in(page, "admin")
        pid = running.process.pid

        def counted() -> bool:
            return bool(page.request.get("/studio/overview.json").json()["impressions"] == NUM_DECISIONS)

        until(counted, "The log should be counted", 5 * PATIENCE)
        page.on("response", lambda answer: timed.append(_timed(answer, pid)) if _is_page(answer) else None)
        rounds = []
        for _ in range(3):
            timed.clear()
            timed.append(("", 0.0, _processor_time(pid)))
            why_it_wins_and_what_to_replace(page)
            how_to_stop_an_element(page)
            rounds.append(list(timed))
        context.close()
    print(f"\n{'journeys, each page first and best of three':60} {store.partition(':')[0][:10]}")
    slow = []
    for place, (name, *_) in enumerate(rounds[0][1:], 1):
        took = [found[place][1] for found in rounds]
        processor = [found[place][2] - found[place - 1][2] for found in rounds]
        first, then = f"{1e3 * took[0]:6.0f} ms ({1e3 * processor[0]:5.0f} of the processor)", 1e3 * min(took[1:])
        print(f"{name:60} first {first}, then {then:6.0f} ms ({1e3 * min(processor[1:]):5.0f})")
        if min(processor) >= 1.0:
            slow.append(name)
    assert not slow


def why_it_wins_and_what_to_replace(page: Page) -> None:
    """Two clicks, and a third to the lever."""
    page.goto("/studio/")
    page.get_by_role("link", name="the products with most traffic").click()
    page.locator("tbody a[href^='/studio/product?id=']").first.click()
    first = page.locator("article.card").first
    expect(first.locator(".why li").first, "why it wins").to_be_visible()
    expect(first.locator(".waterfall")).to_be_visible()
    page.locator(".tile", has=page.get_by_role("heading", name="Replace first")).get_by_role("link").click()
    expect(page.get_by_role("button", name="Apply now")).to_be_visible()


def how_to_stop_an_element(page: Page) -> None:
    """Three clicks; a fourth takes it back."""
    page.goto("/studio/")
    page.get_by_role("link", name="every element and its label").click()
    page.locator("tbody").get_by_role("link", name="Control").first.click()
    page.get_by_role("button", name="Apply now").click()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("No change is in force")).to_be_visible()


def _is_page(answer: Response) -> bool:
    return answer.request.resource_type == "document" and "server-timing" in answer.headers


def _processor_time(pid: int) -> float:
    """Seconds of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _timed(answer: Response, pid: int) -> tuple[str, float, float]:
    """Method, path and names of the query, the seconds that the server says it took, and its processor time so far."""
    path, _, query = answer.url.partition("/studio/")[2].partition("?")
    names = ", ".join(sorted({part.partition("=")[0] for part in query.split("&") if part}))
    name = f"{answer.request.method} /studio/{path}{f' ({names})' if names else ''}"
    return name, server_time(answer.headers), _processor_time(pid)


def test_no_page_takes_a_second(client: TestClient) -> None:
    products = client.get("/studio/products.json").json()
    assert products["paging"]["found"] == NUM_PRODUCTS
    assert client.get("/studio/elements.json").json()["paging"]["found"] == NUM_PRODUCTS * PER_PRODUCT
    product = products["rows"][0]["product_id"]
    slow = []
    for path in PAGES:
        path = path.format(product=product)
        took, processor = [], []
        for _ in range(3):
            before = time.process_time()
            answer = client.get(path)
            processor.append(time.process_time() - before)
            assert answer.status_code == 200, answer.text
            took.append(server_time(answer.headers))
        first, then = 1e3 * took[0], 1e3 * min(took[1:])
        print(f"{path:75} first {first:6.0f} ms ({1e3 * processor[0]:5.0f} of the processor), then {then:6.0f} ms")
        if processor[0] >= 1.0:
            slow.append((path, took, processor))
    assert not slow
