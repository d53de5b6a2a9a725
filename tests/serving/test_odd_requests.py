"""Requests that are odd but sent by somebody, some day: an answer with a code, and nothing of the others' is lost."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.kits.running_service import KEY, InProcess, RunningService
from tests.kits.waiting import until

from genco.serving.joiner import settled
from genco.serving.learner import Learner
from genco.storage.runs import RunFolder


@pytest.fixture
def running(pairs_run: RunFolder, store_url: str) -> Iterator[InProcess]:
    with InProcess(pairs_run.path, store_url) as running:
        yield running


@pytest.fixture
def product(pairs_run: RunFolder) -> str:
    return str(pairs_run.read_table("products")["product_id"][0])


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_revenue_beyond_all_bounds_does_not_stop_learning_and_reports(running: InProcess, product: str) -> None:
    """Two such conversions had a sum that PostgreSQL refuses to compute, for good."""
    name = running.decide(product, defer_activation=False)["event_id"]
    rows = [{"event_id": name, "kind": "conversion", "id": str(i), "value": v} for i, v in enumerate([1.7e308, -1e13])]
    found = running.report(*rows, *rows, {"event_id": name, "kind": "conversion", "id": "9", "value": 1e12})
    assert [row["status"] for row in found] == ["rejected"] * 4 + ["accepted"]
    assert {row["code"] for row in found[:4]} == {"value_out_of_range"}
    shown = running.client.get("/v1/reports/combinations").json()["combinations"]
    assert [row["revenue"] for row in shown] == [1e12]
    running.travel(3600)
    assert Learner(running.service).round() == 1
    with running.service.engine.connect() as connection:
        assert [row.revenue for row in settled(connection, 0, 2**62)] == [1e12]


def test_a_slot_named_twice_is_refused(running: InProcess, product: str) -> None:
    """The last one had its say, silently."""
    slot, other = running.service.model.slot_names[:2]
    element = running.decide(product)["slots"][0]["element_id"]
    entry, many = {"slot_id": slot, "element_id": element}, {"id": slot, "candidates": [{"id": element}]}
    for fields in ({"pinned": [entry, entry]}, {"baseline": [entry, entry]}, {"slots": [many, many]}):
        refused = running.client.post("/v1/decide", json={"product_id": product, **fields})
        assert code(refused) == (422, "invalid_body") and slot in refused.json()["error"]["message"]
    assert running.decide(product, pinned=[entry], slots=[many])["slots"][0]["element_id"] == element
    assert other not in refused.json()["error"]["message"]


def test_an_id_may_look_like_a_path(running: InProcess, product: str) -> None:
    name = running.decide(product, event_id="shop/17?a#b")["event_id"]
    path = "/v1/events/shop%2F17%3Fa%23b"
    assert running.client.post(f"{path}/activate").json()["status"] == "accepted"
    assert running.client.post(f"{path}/activate").json()["status"] == "duplicate"
    assert running.client.post(f"{path}/reward", json={"value": 1}).json()["status"] == "accepted"
    assert running.client.post(f"/personalizer{path[3:]}/activate").status_code == 204
    assert running.report({"event_id": name, "kind": "click"})[0]["status"] == "duplicate"


def test_one_row_that_is_no_object_spoils_no_other(running: InProcess, product: str) -> None:
    name = running.decide(product)["event_id"]
    rows: list[Any] = [{"event_id": name, "kind": "conversion", "id": str(i)} for i in range(50)]
    rows[10:10] = [None, 1, "row", [], {}, {"event_id": [], "kind": {}}]
    found = running.report(*rows)
    assert [row["status"] for row in found] == ["accepted"] * 10 + ["rejected"] * 6 + ["accepted"] * 40
    assert {row["code"] for row in found[10:16]} == {"invalid_row"}


def test_media_types_are_read_in_any_case(running: InProcess, product: str) -> None:
    line = json.dumps({"event_id": running.decide(product)["event_id"], "kind": "click"})
    headers = {"Content-Type": "Application/X-NDJSON; charset=UTF-8"}
    answer = running.client.post("/v1/events", content=f"{line}\r\n\r\n{line}\r\n", headers=headers).json()
    assert (answer["accepted"], answer["duplicate"]) == (1, 1)


def test_a_caller_who_goes_away_is_no_fault_of_the_service(service: RunningService) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    head = f"POST /v1/decide HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 500\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b'{"product_id"')
        time.sleep(0.2)

    def counted(status: int) -> bool:
        return f'route="/v1/decide",status="{status}"' in service.client.get("/metrics").text

    until(lambda: counted(400), "The request should be counted as the caller's fault")
    assert not counted(500) and "ClientDisconnect" not in service.log()
