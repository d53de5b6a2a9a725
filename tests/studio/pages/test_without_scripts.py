"""Scripts switched off in the browser: pages are read, forms do what they do, and what cannot work is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.kits.running_service import RunningService
from tests.kits.studio_pages import counted
from tests.kits.waiting import PATIENCE
from tests.studio.conftest import sign_in

from genco.data.catalogue import Catalogue

PAGES = (
    "",
    "products",
    "product?id=p00002",
    "elements",
    "interactions?product=p00002",
    "combinations",
    "policy?rows=500",
    "models",
    "audit",
    "controls",
    "controls?product=p00002&action=share",
)


@pytest.fixture
def page(browser: Browser, studio: RunningService, cookies: list[Any]) -> Iterator[Page]:
    context = browser.new_context(base_url=studio.url, java_script_enabled=False)
    context.set_default_timeout(1_000 * PATIENCE)
    context.add_cookies(cookies)
    yield context.new_page()
    context.close()


def test_every_page_reads_and_offers_nothing_that_does_not_work(page: Page, studio: RunningService) -> None:
    studio.decide("p00002", defer_activation=False)
    counted(page, studio)
    for path in PAGES:
        answer = page.goto(f"/studio/{path}")
        assert answer is not None and answer.ok, path
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("nav.side a").first).to_be_visible()
        assert page.locator("button:visible:not(form button)").count() == 0, f"{path}: a button that does nothing"
        for form in page.locator("form:visible:has(select), form:visible[method=post]").all():
            assert form.locator("button:visible").count(), f"{path}: a form that cannot be sent"
    page.goto("/studio/")
    expect(page.get_by_text("Scripts are off in this browser")).to_be_visible()
    page.get_by_text("The charts in figures").click()
    expect(page.get_by_role("region", name="Figures over time")).to_be_visible()


def test_lists_are_searched_filtered_and_sorted(page: Page) -> None:
    page.goto("/studio/")
    page.get_by_label("Find a product").fill("P00003")
    page.get_by_label("Find a product").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto("/studio/elements")
    page.get_by_label("Component").select_option("title")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**component=title**")
    page.get_by_role("link", name="clicks", exact=True).click()
    expect(page.locator("th[aria-sort]")).to_contain_text("clicks")


def test_contexts_and_elements_are_chosen(page: Page) -> None:
    page.goto("/studio/product?id=p00002")
    page.get_by_label("segment").select_option(index=2)
    page.get_by_role("button", name="Show").first.click()
    page.wait_for_url("**context.segment=**")
    hand = page.locator("#by-hand")
    before = hand.locator(".score .big").inner_text()
    other = hand.get_by_label("title", exact=True).locator("option:not([selected])").first.get_attribute("value")
    hand.get_by_label("title", exact=True).select_option(other)
    hand.get_by_role("button", name="Show").click()
    page.wait_for_url("**slot.0=**")
    expect(hand.locator(".score .big")).not_to_have_text(before)


def test_an_element_is_stopped_and_comes_back(page: Page, studio: RunningService, catalogue: Catalogue) -> None:
    product = str(catalogue.products["product_id"][6])
    page.goto(f"/studio/controls?product={product}&action=block")
    choice = page.locator("select[name=element]")
    element = choice.locator("option:not([value=''])").first.get_attribute("value")
    assert element is not None
    choice.select_option(element)
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Apply now").click()
    page.get_by_text("Done.", exact=True).wait_for()
    asked = f"/studio/controls.json?product={product}"
    assert len(page.request.get(asked).json()["acts"]) == 1
    shown = {slot["element_id"] for _ in range(25) for slot in studio.decide(product)["slots"]}
    assert element not in shown
    page.get_by_role("link", name="Undo change").first.click()
    page.get_by_role("button", name="Undo now").click()
    page.get_by_text("Done.", exact=True).wait_for()
    assert page.request.get(asked).json()["acts"] == []


def test_a_person_signs_in(browser: Browser, studio: RunningService) -> None:
    context = browser.new_context(base_url=studio.url, java_script_enabled=False)
    context.set_default_timeout(1_000 * PATIENCE)
    page = context.new_page()
    sign_in(page, "viewer")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/studio/sign-in**")
    context.close()
