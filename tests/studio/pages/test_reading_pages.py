"""Products, product and elements in a browser: readable by everyone, and equal to their twins and the store."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from tests.kits.hostile import HOSTILE_ID, HOSTILE_LINKS
from tests.kits.running_service import RunningService
from tests.kits.studio_pages import check_page, counted

from genco.data.catalogue import Catalogue
from genco.serving.reports import shown_elements
from genco.studio.pages.pictures import STAND_IN


@pytest.fixture(scope="module")
def traffic(studio: RunningService, catalogue: Catalogue) -> None:
    """Sixty cards of five products were shown, and a quarter of them clicked."""
    products = catalogue.products["product_id"].to_list()
    made = [studio.decide(products[i % 5], actor_id=f"a{i}", defer_activation=False) for i in range(60)]
    studio.report(*({"event_id": row["event_id"], "kind": "click"} for row in made[::4]))


def twin(page: Page, path: str) -> dict[str, Any]:
    found: dict[str, Any] = page.request.get(path).json()
    return found


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/studio/", "overview"),
        ("/studio/products", "products"),
        ("/studio/products?search=nothing+like+it", "products-none"),
        ("/studio/product?id=p00001", "product"),
        ("/studio/elements?search=e000001", "elements"),
    ],
)
@pytest.mark.usefixtures("traffic")
def test_pages_are_readable_by_everyone(page: Page, studio: RunningService, path: str, name: str) -> None:
    counted(page, studio)
    check_page(page, path, name)


@pytest.mark.usefixtures("traffic")
def test_page_twin_and_store_have_the_same_figures(page: Page, studio: RunningService, catalogue: Catalogue) -> None:
    rows = counted(page, studio)
    shown, overview = sum(row.impressions for row in rows), twin(page, "/studio/overview.json")
    assert overview["impressions"] == shown
    assert overview["clicks"] == sum(row.clicks for row in rows)
    assert sum(row["impressions"] for row in overview["traffic"]) == shown
    assert sum(point["impressions"] for point in overview["points"]) == shown
    page.goto("/studio/")
    expect(page.locator(".tile", has=page.get_by_role("heading", name="Traffic"))).to_contain_text(f"{shown:,}")

    products = twin(page, "/studio/products.json")
    by_product = {row["product_id"]: (row["impressions"], row["clicks"]) for row in products["rows"]}
    for product_id, figures in by_product.items():
        mine = [row for row in rows if row.product_id == product_id]
        assert figures == (sum(row.impressions for row in mine), sum(row.clicks for row in mine))
    page.goto("/studio/products")
    first = products["rows"][0]
    expect(page.locator("tbody tr").first).to_contain_text(str(first["impressions"]))

    expected: dict[str | None, list[int]] = {}
    for row in shown_elements(rows, catalogue):
        count = expected.setdefault(row.element_id, [0, 0])
        count[0] += row.impressions
        count[1] += row.clicks
    found = {}
    for number in range(1, 7):
        for row in twin(page, f"/studio/elements.json?page={number}")["rows"]:
            found[row["element"]["element_id"]] = [row["impressions"], row["clicks"]]
    assert {name: count for name, count in found.items() if count[0]} == {
        name: count for name, count in expected.items() if name is not None
    }
    for total in twin(page, "/studio/elements.json")["totals"]:
        for i, whole in enumerate((shown, overview["clicks"])):
            parts = sum(total[part][i] for part in ("found", "rest", "empty", "gone"))
            assert parts == total["num_slots"] * whole


@pytest.mark.usefixtures("traffic")
def test_searching_filtering_and_sorting_products(page: Page, studio: RunningService) -> None:
    learning = len({row.product_id for row in counted(page, studio)})
    page.goto("/studio/")
    page.keyboard.press("/")
    page.keyboard.type("P00003")
    page.keyboard.press("Enter")
    page.wait_for_url("**/products?search=P00003")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("tbody tr")).to_have_count(13)
    page.get_by_label("State").select_option("cold")
    page.wait_for_url("**state=cold**")
    expect(page.locator("tbody tr")).to_have_count(13 - learning)
    cold = twin(page, "/studio/products.json?sort=product_id&ascending=true&state=cold")
    names = [row["product_id"] for row in cold["rows"]]
    assert names == sorted(names) and cold["states"] == {
        "cold": 13 - learning,
        "learning": learning,
        "settled": 0,
    }
    page.goto("/studio/products")
    page.get_by_role("link", name="clicks", exact=True).click()
    expect(page.locator("th[aria-sort]")).to_contain_text("clicks")
    clicks = [row["clicks"] for row in twin(page, "/studio/products.json?sort=clicks")["rows"]]
    assert clicks == sorted(clicks, reverse=True)


def test_switching_an_element_by_hand(page: Page, catalogue: Catalogue) -> None:
    page.goto("/studio/product?id=p00002")
    hand = page.locator("#by-hand")
    before = hand.locator(".score .big").inner_text()
    select = hand.get_by_label("title", exact=True)
    other = select.locator("option:not([selected])").first.get_attribute("value")
    assert other is not None
    with page.expect_response("**/product/by-hand?**"):
        select.select_option(other)
    expect(hand.locator(".score .big")).not_to_have_text(before)
    said = twin(page, f"/studio/product/by-hand.json?id=p00002&slot.0={other}")
    shown = said["combination"]
    total = shown["appeal"] + shown["calibration"]
    total += sum(step["own"] + step["interaction"] + step["residual"] for step in shown["steps"])
    assert abs(total - shown["logit"]) < 1e-4
    assert said["slots"][0]["chosen"] == other
    expect(hand).to_contain_text(f"{100 * shown['click_probability']:.2f}%")


def test_what_the_rules_forbid_is_said_to_be_never_served(page: Page) -> None:
    page.goto("/studio/product?id=p00002")
    highlight = page.locator("#by-hand").get_by_label("highlight_1", exact=True)
    same = page.locator("#by-hand").get_by_label("highlight_2", exact=True).input_value()
    highlight.select_option(same)
    page.locator("#by-hand .note", has_text="Not legal, never served").wait_for()
    said = twin(page, f"/studio/product/by-hand.json?id=p00002&slot.2={same}&slot.3={same}")
    assert not said["is_legal"] and said["propensity"] is None and said["broken"]


def test_the_context_changes_the_prediction(page: Page) -> None:
    page.goto("/studio/product?id=p00002")
    segment = page.get_by_label("segment")
    segment.select_option(index=2)
    page.wait_for_url("**context.segment=**")
    value = page.get_by_label("segment").input_value()
    there, average = (
        twin(page, f"/studio/product.json?id=p00002{query}") for query in (f"&context.segment={value}", "")
    )
    assert there["shown"]["average"] != average["shown"]["average"]


def test_pictures_come_from_the_dataset_only(page: Page, catalogue: Catalogue) -> None:
    pictured = catalogue.elements.filter(catalogue.elements["image_uri"].is_not_null())["element_id"]
    good = page.request.get(f"/studio/picture?element={pictured[0]}")
    assert good.ok and good.headers["content-type"] == "image/png"
    assert page.request.get("/studio/picture?element=nobody").status == 404
    page.goto("/studio/product?id=p00002")
    images = page.locator(".card img").all()
    assert images
    for image in images:
        image.scroll_into_view_if_needed()  # others may wait to be loaded
        expect(image).to_have_js_property("complete", True)
        expect(image).not_to_have_js_property("naturalWidth", 0)


def test_hostile_words_and_links_do_nothing(page: Page) -> None:
    hostile = quote(HOSTILE_ID, safe="")
    for path in (
        f"/studio/product?id={hostile}",
        f"/studio/products?search={hostile}",
        f"/studio/elements?product_id={hostile}&search=%3Cscript",
        f"/studio/elements?product_id={hostile}",
        f"/studio/product?id={hostile}{hostile}",
        f"/studio/interactions?product={hostile}",
        f"/studio/combinations?product={hostile}{hostile}",
        f"/studio/controls?product={hostile}&element={hostile}title1",
        f"/studio/controls?product={hostile}&action=forbid&element={hostile}title0&other={hostile}title3",
        f"/studio/audit?about={hostile}",
        f"/studio/sign-in?next={hostile}",
        f"/studio/products?sort={hostile}",
    ):
        answer = page.goto(path)
        assert answer is not None and answer.headers["content-security-policy"]
        assert page.evaluate("document.documentElement.dataset.broken") is None
        assert page.locator("main script, main iframe, main style, [onerror], [onload]").count() == 0
        assert page.locator("a[href^='javascript:'], a[href*='evil'], img[src*='evil']").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    for number in range(len(HOSTILE_LINKS)):
        assert page.request.get(f"/studio/picture?element={hostile}image{number}").text() == STAND_IN
    page.context.clear_cookies()
    page.goto(f"/studio/sign-in?next={hostile}")
    page.wait_for_load_state("networkidle")


def test_errors_are_pages_too(page: Page) -> None:
    for path, status in (
        ("/studio/product?id=nobody", 404),
        ("/studio/nowhere", 404),
        ("/studio/products?page=x", 422),
    ):
        answer = page.request.get(path)
        assert answer.status == status
        assert "<h1>That did not work" in answer.text() or "<h1>There is no such page" in answer.text()
    assert page.request.get("/studio/product.json?id=nobody").json()["error"]["code"] == "unknown_product"


def test_the_keyboard_reaches_everything(page: Page) -> None:
    page.clock.install()  # between g and the digit no time passes, however busy the machine
    page.goto("/studio/elements")
    page.clock.pause_at(page.evaluate("Date.now()") + 60_000)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("g")
    page.keyboard.press("2")
    page.wait_for_url("**/studio/products")
    expect(page.locator("html"), "remembered").to_have_attribute("data-theme", "dark")
