"""An element is stopped in three clicks from the overview, and comes back with one more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.kits.running_service import RunningService
from tests.kits.studio_pages import counted

from genco.data.catalogue import Catalogue

if TYPE_CHECKING:
    from playwright.sync_api import Page

DRAWS = 25


@pytest.fixture(scope="module")
def product(studio: RunningService, catalogue: Catalogue) -> str:
    """The product that is shown most."""
    found = str(catalogue.products["product_id"][3])
    for i in range(80):
        studio.decide(found, actor_id=f"n{i}", defer_activation=False)
    return found


def test_how_to_stop_an_element(page: Page, studio: RunningService, product: str) -> None:
    def shown() -> set[str | None]:
        return {slot["element_id"] for _ in range(DRAWS) for slot in studio.decide(product)["slots"]}

    counted(page, studio)
    page.goto("/studio/")
    page.get_by_role("link", name="every element and its label").click()
    row = page.locator("tbody tr", has=page.locator(f"a[href$='id={product}']")).first
    row.get_by_role("link", name="Control").click()
    element = page.locator("select[name=element]").input_value()
    page.get_by_role("button", name="Apply now").click()
    page.get_by_text("Done.", exact=True).wait_for()
    assert element not in shown()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("No change is in force").wait_for()
    assert page.request.get(f"/studio/controls.json?product={product}").json()["acts"] == []
