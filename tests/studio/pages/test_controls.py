"""Controls in a browser, and every one of them on both stores: what was clicked is what is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.kits.running_service import RunningService
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.data.catalogue import Catalogue
from genco.storage.runs import RunFolder

DRAWS = 25
Rows = list[dict[str, Any]]


@pytest.fixture
def client(pairs_run: RunFolder, store_url: str) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, store_url) as client:
        client.enter("editor")
        yield client


def test_the_controls_are_readable_by_everyone(page: Page, catalogue: Catalogue) -> None:
    check_page(page, "/studio/controls", "controls")
    product, element = owned(catalogue)
    check_page(page, f"/studio/controls?product={product}&element={element}", "controls-preview")


def test_an_element_is_stopped_with_one_click_and_comes_back_with_another(
    page: Page, studio: RunningService, catalogue: Catalogue
) -> None:
    product, _ = owned(catalogue)
    shown = most_shown([title_of(studio.decide(product)) for _ in range(DRAWS)])
    page.goto(f"/studio/controls?product={product}&element={shown}")
    page.get_by_role("button", name="Apply now").click()
    page.get_by_text("Done.", exact=True).wait_for()
    assert all(title_of(studio.decide(product)) != shown for _ in range(DRAWS))
    page.get_by_role("link", name="Undo change").first.click()
    page.get_by_role("button", name="Undo now").click()
    page.get_by_text("Done.", exact=True).wait_for()
    assert page.request.get(f"/studio/controls.json?product={product}").json()["acts"] == []
    assert any(title_of(studio.decide(product)) == shown for _ in range(4 * DRAWS))


def test_the_preview_follows_the_form(page: Page, catalogue: Catalogue) -> None:
    product, element = owned(catalogue)
    page.goto(f"/studio/controls?product={product}&action=share&element={element}")
    expect(page.get_by_text("Fill in the form")).to_be_visible()
    page.get_by_label("Share in percent").fill("30")
    page.get_by_label("Share in percent").blur()
    page.get_by_role("button", name="Apply now").wait_for()
    expect(page.get_by_role("heading", name="at least 30.0% of impressions")).to_be_visible()


def test_every_control_is_obeyed_at_once_and_undone(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    first = served(client, product)[0]
    title, image, slot = first["title"], first["image"], "image"
    rare = next(share["element_id"] for share in shares(client, product, "title") if share["element_id"] != title)
    of_title, of_rare = {"product": product, "element": title}, {"product": product, "element": rare}
    wanted: list[tuple[dict[str, Any], Callable[[Rows], bool]]] = [
        ({"action": "block", **of_title}, lambda rows: all(row["title"] != title for row in rows)),
        ({"action": "block_all", **of_title}, lambda rows: all(row["title"] != title for row in rows)),
        ({"action": "hold", **of_title}, lambda rows: all(row["title"] != title for row in rows)),
        ({"action": "pin", "slot": "title", **of_rare}, lambda rows: all(row["title"] == rare for row in rows)),
        (
            {"action": "forbid", "other": image, **of_title},
            lambda rows: all((row["title"], row[slot]) != (title, image) for row in rows),
        ),
        ({"action": "share", "share": "90", **of_rare}, lambda rows: sum(row["title"] == rare for row in rows) > 15),
        ({"action": "pause", "product": product}, lambda rows: all(row == rows[0] for row in rows)),
    ]
    usual = shares(client, product, "title")
    for fields, is_obeyed in wanted:
        assert "Apply now" in client.page("/studio/controls", **fields)
        done = client.send("/studio/controls", **fields)
        assert done.status_code == 303, done.text
        assert is_obeyed(served(client, product)), fields
        assert "This is in force already." in client.page("/studio/controls", **fields)
        assert client.send("/studio/controls", **fields).status_code == 409
        act = client.twin("/studio/controls")["acts"][0]
        assert act["actor"] == "user:editor" and act["who"] == "editor"
        assert "Undo now" in client.page("/studio/controls", undo=act["number"])
        assert client.send("/studio/controls/undo", number=act["number"]).status_code == 303
        assert client.twin("/studio/controls")["acts"] == []
        assert shares(client, product, "title") == usual, fields
    lines = client.twin("/studio/audit", about=title)["lines"]
    assert {line["act"] for line in lines} == {"apply_control", "undo_control"}
    assert len(client.twin("/studio/audit", actor="user:editor")["lines"]) == 2 * len(wanted)


def test_what_nobody_approved_is_never_served(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    title = most_shown([row["title"] for row in served(client, product)])
    assert client.send("/studio/controls", action="hold", element=title).status_code == 303
    assert client.twin("/studio/controls", element=title)["wanted"]["action"] == "approve"
    assert all(row["title"] != title for row in served(client, product))
    pinned = client.page("/studio/controls", action="pin", product=product, slot="title", element=title)
    assert "This cannot be done" in pinned and "Apply now" not in pinned
    assert client.send("/studio/controls", action="approve", element=title).status_code == 303
    assert any(row["title"] == title for row in served(client, product))


def test_figures_of_the_preview_are_those_of_the_service(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    title = served(client, product)[0]["title"]
    effect = client.twin("/studio/controls", action="block", product=product, element=title)["effect"]
    body = {"changes": [{"kind": "block", "product_id": product, "element_id": title}]}
    found = client.api("/v1/controls/preview", body)["traffic"]
    assert effect["rate_after"] == found["click_probability_after"]
    assert [(row["element_id"], row["after"]) for row in effect["slots"][0]["shares"]] == [
        (row["element_id"], row["after"]) for row in found["slots"][0]["elements"]
    ]
    for side in ("before", "after"):
        assert sum(row[side] for row in effect["slots"][0]["shares"]) == pytest.approx(1)


def test_a_preview_is_for_the_context_that_is_chosen(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    column = client.twin("/studio/controls")["context"][0]
    name, value = column["name"], column["values"][0]
    fields = {"action": "pause", "product": product, f"context.{name}": value}
    effect = client.twin("/studio/controls", **fields)["effect"]
    body = {"changes": [{"kind": "pause_exploration", "product_id": product}], "product_id": product}
    found = client.api("/v1/controls/preview", body | {"context": {name: value}})["traffic"]
    assert effect["rate_after"] == found["click_probability_after"]
    assert effect["rate_after"] != client.api("/v1/controls/preview", body)["traffic"]["click_probability_after"]
    page = client.page("/studio/controls", **fields)
    assert "in this context" in page and f'<option value="{value}" selected>' in page


def test_viewers_look_and_change_nothing(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    title = served(client, product)[0]["title"]
    fields = {"action": "block", "product": product, "element": title}
    assert client.client.post("/studio/controls", data=fields).status_code == 403, "without the session's token"
    client.enter("viewer")
    page = client.page("/studio/controls", **fields)
    assert "You may look" in page and "Apply now" not in page
    assert client.send("/studio/controls", **fields).status_code == 403
    assert client.send("/studio/controls/undo", number="1").status_code == 403
    assert client.twin("/studio/audit", act="apply_control")["lines"] == []


def test_refusals_say_what_is_wrong(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    title = served(client, product)[0]["title"]
    page = client.page("/studio/controls", action="block", product="nowhere", element=title)
    assert "The catalogue has no product" in page
    fields = {"action": "share", "product": product, "element": title}
    assert "shares should add up to" in client.page("/studio/controls", share="99", **fields)
    assert "number of percent" in client.page("/studio/controls", share="much", **fields)
    for answer, status in (
        (client.send("/studio/controls", share="99", **fields), 422),
        (client.send("/studio/controls", action="block"), 422),
        (client.send("/studio/controls/undo", number="x"), 404),
        (client.send("/studio/controls/undo", number="999"), 404),
    ):
        assert answer.status_code == status and "That did not work" in answer.text
    assert client.twin("/studio/controls", listed="all")["acts"] == []


def shares(client: StudioClient, product: str, slot: str) -> list[dict[str, Any]]:
    """What the product's slot shows now, by the preview of an act that leaves every status as it is."""
    body = {"changes": [{"kind": "pause_exploration", "product_id": product}]}
    slots = client.api("/v1/controls/preview", body)["traffic"]["slots"]
    found = next(row["elements"] for row in slots if row["slot_id"] == slot)
    return [{"element_id": row["element_id"], "before": row["before"]} for row in found]


def served(client: StudioClient, product: str) -> Rows:
    decided = [client.decide(product)["slots"] for _ in range(2 * DRAWS)]
    return [{slot["id"]: slot["element_id"] for slot in slots} for slots in decided]


def most_shown(names: list[str]) -> str:
    """One that is often drawn will be drawn again."""
    return max(names, key=names.count)


def title_of(decision: dict[str, Any]) -> str:
    return str(next(slot["element_id"] for slot in decision["slots"] if slot["id"] == "title"))


def owned(catalogue: Catalogue) -> tuple[str, str]:
    """A product and an approved title of its own."""
    from polars import col

    found = catalogue.elements.filter((col("component") == "title") & (col("status") == "approved"))
    row = found.row(0, named=True)
    return str(row["product_id"]), str(row["element_id"])
