"""The report of combinations: in a browser; figures equal the service's report on both stores, and add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.serving.reports import shown_combinations
from genco.storage.runs import RunFolder

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def client(pairs_run: RunFolder, store_url: str) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, store_url) as client:
        client.enter("viewer")
        yield client


def traffic(client: StudioClient, num: int) -> None:
    products = client.service.model.catalogue.products["product_id"]
    made = [client.decide(str(products[i % 4]), actor_id=f"a{i}", defer_activation=False) for i in range(num)]
    client.report(*({"event_id": row["event_id"], "kind": "click"} for row in made[::5]))
    client.surface.studio.tally.refresh()


def test_combinations_are_readable_by_everyone(page: Page) -> None:
    check_page(page, "/studio/combinations", "combinations")
    check_page(page, "/studio/combinations?product=nowhere", "combinations-none")


def test_figures_equal_the_service_and_add_up(client: StudioClient) -> None:
    assert "Nothing has been shown yet." in client.page("/studio/combinations")
    traffic(client, 60)
    with client.service.engine.connect() as connection:
        stored = shown_combinations(connection)
    shown, page = client.twin("/studio/combinations"), client.page("/studio/combinations")
    assert shown["total"] == {"impressions": 60, "clicks": 12}
    assert {key_of(row): (row["impressions"], row["clicks"]) for row in shown["rows"]} == {
        (row.product_id, row.combination): (row.impressions, row.clicks) for row in stored
    }
    for row in shown["rows"]:
        assert row["low"] < row["rate"] < row["high"] or row["clicks"] in (0, row["impressions"])
        assert f"{row['impressions']:,}</td>" in page and f"{100 * row['rate']:.2f}%" in page
    product = stored[0].product_id
    mine = client.twin("/studio/combinations", product=product)
    assert {key_of(row)[0] for row in mine["rows"]} == {product}
    assert mine["total"]["impressions"] == sum(row.impressions for row in stored if row.product_id == product)
    assert sum(row["share"] for row in mine["rows"]) == pytest.approx(1)


def test_parts_add_up_on_every_page(client: StudioClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genco.studio.queries.combinations.PAGE_SIZE", 3)
    monkeypatch.setattr("genco.studio.tally.MAX_COMBINATIONS", 7)
    traffic(client, 50)
    first = client.twin("/studio/combinations", sort="rate")
    assert first["paging"]["of"] == 3 and first["rare"]["impressions"] > 0
    for number in (1, 2, 3):
        found = client.twin("/studio/combinations", sort="rate", page=number)
        parts = [found[name] for name in ("listed", "others", "rare", "gone")]
        for figure in ("impressions", "clicks"):
            assert sum(part[figure] for part in parts) == found["total"][figure]
            assert found["listed"][figure] == sum(row[figure] for row in found["rows"])
    rates = [row["rate"] for n in (1, 2, 3) for row in client.twin("/studio/combinations", sort="rate", page=n)["rows"]]
    assert rates == sorted(rates, reverse=True)
    assert "rare ones" in client.page("/studio/combinations")


def test_a_product_without_traffic_says_what_to_do(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][9])
    assert "See what the model would show" in client.page("/studio/combinations", product=product)
    assert "The catalogue has no product" in client.page("/studio/combinations", product="<b>nowhere")


def key_of(row: dict[str, Any]) -> tuple[str, tuple[str | None, ...]]:
    return row["product_id"], tuple(place["element_id"] for place in row["slots"])
