"""Interactions in a browser, and their figures against the model and the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.evaluation.interactions import pair_effects
from genco.serving.reports import shown_combinations
from genco.storage.runs import RunFolder

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def client(pairs_run: RunFolder, tmp_path: Path) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, str(tmp_path / "store.db")) as client:
        client.enter("viewer")
        yield client


def test_interactions_are_readable_by_everyone(page: Page) -> None:
    check_page(page, "/studio/interactions?product=p00001", "interactions")


def test_pairs_are_those_of_the_model_with_counts_of_the_log(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][2])
    for i in range(40):
        client.decide(product, actor_id=f"a{i}", defer_activation=False)
    client.surface.studio.tally.refresh()
    shown, page = client.twin("/studio/interactions"), client.page("/studio/interactions")
    assert shown["product"]["product_id"] == product, "the product with most traffic"
    optimizer = client.service.model.optimizer
    expected = pair_effects(optimizer, optimizer.policy.request(2, optimizer.context()), 10)
    rows = shown["helping"] + shown["clashing"]
    assert {row["pair"]["effect"] for row in rows} == {pair.effect for pair in expected if abs(pair.effect) >= 0.005}
    with client.service.engine.connect() as connection:
        stored = [row for row in shown_combinations(connection) if row.product_id == product]
    for row in rows:
        pair = {row["pair"]["first"]["element_id"], row["pair"]["second"]["element_id"]}
        assert row["impressions"] == sum(one.impressions for one in stored if pair <= set(one.combination))
        assert row["pair"]["low"] < row["pair"]["effect"] < row["pair"]["high"]
        assert row["words"].split(" works")[0].replace('"', "&#34;")[:12] in page
    heat = shown["heat"]
    assert np.shape(shown["shown"]) == (len(heat["rows"]), len(heat["columns"])) == np.shape(heat["effects"])
    together = np.array(shown["shown"]).sum()
    assert together == sum(one.impressions for one in stored if None not in one.combination), "each impression once"


def test_slots_and_contexts_are_chosen(client: StudioClient) -> None:
    shown = client.twin("/studio/interactions", slots="1-2")
    assert (shown["heat"]["row_slot"], shown["heat"]["column_slot"]) == ("image", "tag")
    assert client.client.get("/studio/interactions", params={"slots": "x"}).status_code == 422
    assert client.client.get("/studio/interactions", params={"product": "<b>"}).status_code == 404
    assert client.client.get("/studio/interactions", params={"context.nothing": "1"}).status_code == 422


def test_a_stopped_element_leaves_the_heat_map_at_once(client: StudioClient) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    first = client.decide(product)["slots"][0]["element_id"]
    assert "action=forbid" in client.page("/studio/interactions", product=product)
    client.enter("editor")
    assert client.send("/studio/controls", action="block", product=product, element=first).status_code == 303
    shown = client.twin("/studio/interactions", product=product, slots="0-1")
    assert first not in {row["element_id"] for row in shown["heat"]["rows"]}
