"""Off-policy values in a browser, and equal to the service's report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kits.other_run import other_run
from tests.kits.studio_client import StudioClient
from tests.kits.studio_pages import check_page

from genco.serving.routes.policy_report import policy_report
from genco.storage.runs import RunFolder

if TYPE_CHECKING:
    from playwright.sync_api import Page

WINDOW = 5.0


@pytest.fixture
def client(pairs_run: RunFolder, tmp_path: Path) -> Iterator[StudioClient]:
    with StudioClient(pairs_run.path, str(tmp_path / "store.db"), reward_window_seconds=WINDOW) as client:
        client.enter("viewer")
        yield client


def traffic(client: StudioClient, num: int) -> None:
    product = str(client.service.model.catalogue.products["product_id"][0])
    made = [client.decide(product, actor_id=f"a{i}", defer_activation=False) for i in range(num)]
    client.report(*({"event_id": row["event_id"], "kind": "click"} for row in made[::4]))
    client.service.clock._offset += round((WINDOW + 10) * 1e6)


def test_policy_is_readable_by_everyone(page: Page) -> None:
    check_page(page, "/studio/policy", "policy")
    check_page(page, "/studio/policy?rows=500", "policy-values")


def test_nothing_is_computed_before_it_is_asked_for(client: StudioClient) -> None:
    assert client.twin("/studio/policy")["found"] is None
    assert "No decision has settled yet." in client.page("/studio/policy", rows=500)
    assert client.client.get("/studio/policy", params={"rows": 500, "version": "nowhere"}).status_code == 404
    assert client.client.get("/studio/policy", params={"rows": 0}).status_code == 422


def test_few_rows_are_refused_and_the_page_says_why(client: StudioClient) -> None:
    traffic(client, 20)
    (row,) = client.twin("/studio/policy", rows=500)["found"]["versions"]
    page = client.page("/studio/policy", rows=500)
    assert row["value"] is None and row["refused"]
    assert ">refused</span>" in page and "What a refusal means, and what to do" in page
    assert "gathers them in about" in page


def test_values_are_those_of_the_report(client: StudioClient, pairs_run: RunFolder, tmp_path: Path) -> None:
    traffic(client, 420)
    service = client.service
    service.live.register(other_run(pairs_run.path, tmp_path / "second", 0.5))
    expected = policy_report(service, None, 500)
    found, page = client.twin("/studio/policy", rows=500)["found"], client.page("/studio/policy", rows=500)
    assert found == expected.model_dump(mode="json")
    assert len(found["versions"]) == 2 and found["rows"] == 420
    served = next(row for row in found["versions"] if row["served"])
    assert served["value"] == pytest.approx(105 / 420) and served["ci_low"] < 0.25 < served["ci_high"]
    assert "25.00%" in page and served["verdict"] == "cannot tell"
    assert len(client.twin("/studio/policy", rows=500, version=served["version"])["found"]["versions"]) == 1
