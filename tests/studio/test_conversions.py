"""A run that learns conversions: what every page counts, and calls it, is conversions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kits.revenue_dataset import revenue_dataset
from tests.kits.studio_client import StudioClient

from genco.training.config import config_from
from genco.training.train import train

QUICK = {
    "training": {"steps": 1, "requests": 8, "group": 4, "warm_start_steps": 1},
    "reward_model": {"residual": "off", "max_rounds": 1, "max_own_rank": 2},
    "generator": {"width": 8},
}
PAGES = ("/studio/", "/studio/products", "/studio/elements", "/studio/combinations", "/studio/product")
SHOWN, CLICKED, SOLD = 6, 4, 2


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioClient]:
    """Six cards shown: four clicked, of which two were bought, one of them twice, and a third was taken back."""
    folder = tmp_path_factory.mktemp("sales")
    run = train(revenue_dataset(folder / "data"), folder / "run", config_from(QUICK)).path
    with StudioClient(Path(run), str(folder / "store.db")) as client:
        client.enter("admin")
        made = [client.decide("p1", defer_activation=False)["event_id"] for _ in range(SHOWN)]
        client.report(*({"event_id": name, "kind": "click"} for name in made[:CLICKED]))
        sales = [(made[0], 30.0, "a"), (made[0], 10.0, "b"), (made[1], 10.0, "c"), (made[2], -10.0, "d")]
        client.report(*({"event_id": n, "kind": "conversion", "value": v, "id": i} for n, v, i in sales))
        client.surface.studio.tally.refresh()
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_pages_count_conversions_and_say_so(client: StudioClient, path: str) -> None:
    asked = {"id": "p1"} if path.endswith("product") else {}
    page = re.sub("<[^>]*>", " ", client.page(path, **asked).partition("<main")[2])
    twin = client.twin(path if path != "/studio/" else "/studio/overview", **asked)
    assert twin["rate_of"] == "num_conversions"
    assert "conversion rate" in page.lower() and "conversions" in page and "click" not in page.lower()


def test_a_decision_counts_once_where_something_was_bought(client: StudioClient) -> None:
    found = client.twin("/studio/overview")
    assert (found["impressions"], found["clicks"]) == (SHOWN, SOLD)
    product = next(row for row in client.twin("/studio/products")["rows"] if row["product_id"] == "p1")
    assert (product["impressions"], product["clicks"], product["rate"]) == (SHOWN, SOLD, SOLD / SHOWN)
    assert client.twin("/studio/combinations")["total"] == {"impressions": SHOWN, "clicks": SOLD}
    assert all(
        total["found"][1] + total["empty"][1] == total["num_slots"] * SOLD
        for total in client.twin("/studio/elements")["totals"]
    )
