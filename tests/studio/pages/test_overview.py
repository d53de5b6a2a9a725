"""The overview in a browser, and its twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kits.running_service import RunningService
from tests.kits.studio_pages import check_page

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_overview_is_readable_by_everyone(page: Page) -> None:
    check_page(page, "/studio/", "overview")


def test_the_overview_and_its_twin_say_the_same(page: Page, studio: RunningService) -> None:
    page.goto("/studio/")
    twin = page.request.get("/studio/overview.json").json()
    assert page.get_by_text(twin["model_version"]).is_visible()
    assert page.locator("footer").get_by_text("This page as JSON").get_attribute("href") == "/studio/overview.json"
