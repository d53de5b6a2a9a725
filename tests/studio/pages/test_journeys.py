"""What a newcomer does: three clicks to the answers, updates that stop when told to, a page on paper."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect
from tests.kits.running_service import RunningService
from tests.kits.studio_pages import counted

from genco.data.catalogue import Catalogue


def test_three_clicks_from_the_overview(page: Page, studio: RunningService, catalogue: Catalogue) -> None:
    product = str(catalogue.products["product_id"][4])
    for i in range(20):
        studio.decide(product, actor_id=f"j{i}", defer_activation=False)
    counted(page, studio)
    page.goto("/studio/")
    page.get_by_role("link", name="the products with most traffic").click()
    page.locator(f"tbody a[href='/studio/product?id={product}']").click()
    first = page.locator("article.card").first
    expect(first.locator(".why li").first, "why it wins").to_be_visible()
    expect(first.locator(".waterfall")).to_be_visible()
    replace = page.locator(".tile", has=page.get_by_role("heading", name="Replace first")).get_by_role("link")
    name = replace.inner_text()
    replace.click()
    page.wait_for_url("**/studio/controls**")
    expect(page.locator("main"), "how to stop it").to_contain_text(name.strip("“”"))


def test_updates_stop_when_told_to(page: Page) -> None:
    page.clock.install()
    page.goto("/studio/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/studio/"):
        page.clock.run_for(6_000)
    page.wait_for_load_state("networkidle")
    page.get_by_label("Update by itself").uncheck()
    asked.clear()
    page.clock.run_for(20_000)
    page.wait_for_load_state("networkidle")
    assert asked == []


def test_a_page_on_paper_has_no_controls(page: Page) -> None:
    page.emulate_media(media="print")
    page.goto("/studio/product?id=p00001")
    expect(page.locator("article.card").first).to_be_visible()
    for left_out in ("nav.side", ".tools", ".filters"):
        assert not page.locator(left_out).first.is_visible()
    assert page.pdf()[:4] == b"%PDF"


def test_from_a_product_to_a_control_and_back_by_keyboard_alone(page: Page) -> None:
    page.goto("/studio/product?id=p00002")
    expect(page.get_by_role("navigation").get_by_role("link", name="Products")).to_have_attribute(
        "aria-current", "page"
    )
    select = page.locator("#by-hand").get_by_label("title", exact=True)
    tab_to(page, select)
    with page.expect_response("**/product/by-hand?**"):
        page.keyboard.press("ArrowDown")
    enter(page, page.get_by_role("link", name="Control what it shows"))
    page.wait_for_url("**/studio/controls?**")
    enter(page, page.get_by_role("link", name="Stop in one product"))
    tab_to(page, page.get_by_label("Element", exact=True))
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Apply now")).to_be_visible()
    enter(page, page.get_by_role("button", name="Apply now"))
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    enter(page, page.get_by_role("link", name="Undo change").first)
    enter(page, page.get_by_role("button", name="Undo now"))
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()


def enter(page: Page, there: Locator) -> None:
    tab_to(page, there)
    page.keyboard.press("Enter")


def tab_to(page: Page, there: Locator) -> None:
    """By Tab alone; what has the focus shows it by an outline."""
    expect(there).to_be_visible()
    for _ in range(150):
        page.keyboard.press("Tab")
        if there.evaluate("element => element === document.activeElement"):
            break
    expect(there).to_be_focused()
    assert there.evaluate("element => getComputedStyle(element).outlineStyle") != "none"
