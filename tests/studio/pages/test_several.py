"""Several elements in one act: ticked by keyboard, looked at, applied, undone; a line in the audit log for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.data.catalogue import Catalogue
from genco.storage.runs import RunFolder

PATH = "/studio/controls/several"


@pytest.fixture
def client(pairs_run: RunFolder, store_url: str) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, store_url) as client:
        client.enter("editor")
        yield client


def statuses(client: StudioClient, ids: list[str]) -> list[str]:
    catalogue = client.service.model.catalogue
    return [str(catalogue.elements["status"][catalogue.element_rows[name]]) for name in ids]


def titles(client: StudioClient) -> list[str]:
    """One title of each of three products, and one more of the first."""
    catalogue = client.service.model.catalogue
    rows = [int(catalogue.members(product, 0)[i]) for product, i in ((0, 0), (0, 1), (1, 0), (2, 0))]
    return [str(catalogue.elements["element_id"][row]) for row in rows]


def test_one_act_one_undo_and_a_line_for_each(client: StudioClient) -> None:
    chosen = titles(client)
    shown = client.twin(PATH, action="block_all", element=chosen)
    assert shown["num_changing"] == 4 and shown["effect"]["num_products"] == 3
    product = shown["effect"]["products"][1]
    other = client.twin(PATH, action="block_all", element=chosen, product=product)["effect"]
    assert other["product_id"] == product != shown["effect"]["product_id"]
    assert statuses(client, chosen) == ["approved"] * 4, "a preview changes nothing"

    answer = client.send(PATH, action="block_all", element=chosen)
    assert answer.status_code == 303 and statuses(client, chosen) == ["blocked"] * 4
    number = answer.headers["location"].split("done=")[1]
    assert "Undo" in client.page("/studio/controls", done=number)
    lines = client.twin("/studio/audit", act="apply_control")["lines"]
    assert sorted(line["detail"]["change"] for line in lines) == sorted(f"blocked: {name!r}" for name in chosen)
    assert {line["detail"]["control"] for line in lines} == {int(number)}

    assert client.send("/studio/controls/undo", number=number).status_code == 303
    assert statuses(client, chosen) == ["approved"] * 4
    assert len(client.twin("/studio/audit", act="undo_control")["lines"]) == 4
    assert client.twin("/studio/controls")["acts"] == []


def test_only_what_changes_is_changed(client: StudioClient) -> None:
    chosen = titles(client)
    assert client.send(PATH, action="hold", element=chosen[:1]).status_code == 303
    shown = client.twin(PATH, action="approve", element=[*chosen, chosen[0]])
    assert [element["changes"] for element in shown["elements"]] == [True, False, False, False]
    assert "3 of those chosen have this status already" in client.page(PATH, action="approve", element=chosen)
    assert client.send(PATH, action="approve", element=chosen).status_code == 303
    assert client.twin("/studio/controls")["acts"][0]["words"] == f"approved: {chosen[0]!r}"
    assert "have this status already" in client.page(PATH, action="approve", element=chosen)
    assert client.send(PATH, action="approve", element=chosen).status_code == 409


def test_refusals_change_nothing(client: StudioClient) -> None:
    catalogue = client.service.model.catalogue
    everything = [str(catalogue.elements["element_id"][int(row)]) for row in catalogue.members(0, 0)]
    page = client.page(PATH, action="block_all", element=everything)
    assert "This cannot be done" in page and "Apply now" not in page
    assert client.send(PATH, action="block_all", element=everything).status_code == 422
    assert client.send(PATH, action="block_all", element=["nowhere"]).status_code == 422
    assert client.send(PATH, action="whatever", element=everything).status_code == 409
    assert client.send(PATH, action="hold", element=["x"] * 1_001).status_code == 422
    assert "No element is chosen" in client.page(PATH)
    client.enter("viewer")
    assert "You may look" in client.page(PATH, action="hold", element=everything[:1])
    assert client.send(PATH, action="hold", element=everything[:1]).status_code == 403
    assert client.twin("/studio/controls", listed="all")["acts"] == []


def test_elements_are_ticked_by_keyboard_and_changed_at_once(page: Page, catalogue: Catalogue) -> None:
    element = str(catalogue.elements["element_id"][0])
    check_page(page, f"{PATH}?action=hold&element={element}", "several")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/studio/elements?product_id=p00002&component=highlight")
    boxes = page.locator("tbody input[type=checkbox]")
    boxes.nth(0).focus()
    page.keyboard.press("Space")
    boxes.nth(1).focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("2 of 5 on this page chosen")).to_be_visible()
    page.get_by_label("Choose all on this page").check()
    expect(page.get_by_text("5 of 5 on this page chosen")).to_be_visible()
    page.get_by_label("Choose all on this page").uncheck()
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_label("With those chosen").select_option("hold")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="hold back 2 elements")).to_be_visible()
    page.get_by_role("button", name="Apply now").click()
    page.get_by_text("Done.", exact=True).wait_for()
    pending = page.request.get("/studio/elements.json?product_id=p00002&component=highlight&label=PENDING").json()
    assert pending["paging"]["found"] == 2 == pending["labels"]["PENDING"]
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Done.", exact=True).wait_for()
    pending = page.request.get("/studio/elements.json?product_id=p00002&component=highlight&label=PENDING").json()
    assert pending["paging"]["found"] == 0
