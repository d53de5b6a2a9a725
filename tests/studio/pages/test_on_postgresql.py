"""The studio on PostgreSQL, in short: each page opens, and a control is applied and undone. The soak runs every browser
test there."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.kits.running_service import RunningService
from tests.kits.studio_pages import counted

from genco.data.catalogue import Catalogue

pytestmark = pytest.mark.parametrize("studio", ["postgresql"], indirect=True)
PAGES = {
    "": "Overview",
    "products": "Products",
    "product?id=p00001": "p00001",
    "elements": "Elements",
    "interactions": "Interactions",
    "combinations": "Combinations",
    "policy?rows=500": "Policy",
    "models": "Models",
    "controls": "Controls",
    "audit": "Audit",
}


def test_each_page_opens_and_a_control_is_applied_and_undone(
    page: Page, studio: RunningService, catalogue: Catalogue
) -> None:
    product = str(catalogue.products["product_id"][1])
    made = [studio.decide(product, defer_activation=False) for _ in range(12)]
    studio.report(*({"event_id": row["event_id"], "kind": "click"} for row in made[::3]))
    counted(page, studio)
    for path, title in PAGES.items():
        page.goto(f"/studio/{path}")
        expect(page.locator("main")).to_contain_text(title)
    element = made[0]["slots"][0]["element_id"]
    page.goto(f"/studio/controls?product={product}&element={element}")
    page.get_by_role("button", name="Apply now").click()
    page.get_by_text("Done.", exact=True).wait_for()
    assert element not in {studio.decide(product)["slots"][0]["element_id"] for _ in range(25)}
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("No change is in force").wait_for()
    page.goto("/studio/audit")
    expect(page.locator("tbody tr").first).to_contain_text("admin")
