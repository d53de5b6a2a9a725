"""Events of a running server: each row answered by itself, in JSON and in JSON Lines."""

from __future__ import annotations

import json

import pytest
from tests.kits.running_service import RunningService, error_code

from genco.policies.optimizer import Optimizer
from genco.serving.schemas import MOST_EVENTS


@pytest.fixture
def event_id(service: RunningService, pairs_optimizer: Optimizer) -> str:
    return str(service.decide(str(pairs_optimizer.catalogue.products["product_id"][0]))["event_id"])


def test_rows_are_answered_one_by_one(service: RunningService, event_id: str) -> None:
    results = service.report(
        {"event_id": event_id, "kind": "impression"},
        {"event_id": event_id, "kind": "click", "slot_id": "title"},
        {"event_id": event_id, "kind": "click", "slot_id": "title"},
        {"event_id": event_id, "kind": "click", "slot_id": "nothing"},
        {"event_id": event_id, "kind": "klick"},
        {"event_id": event_id[:-1] + ("A" if event_id[-1] != "A" else "B"), "kind": "click"},
        {"event_id": "never decided", "kind": "click"},
        {"event_id": event_id, "kind": "reward", "value": 2},
        {},
    )
    codes = ["unknown_slot", "invalid_row", "forged_event_id", "unknown_decision", "value_out_of_range", "invalid_row"]
    assert [result["status"] for result in results] == ["accepted", "accepted", "duplicate", *["rejected"] * 6]
    assert [result["code"] for result in results] == [None, None, None, *codes]


def test_a_batch_sent_again_counts_once(service: RunningService, event_id: str) -> None:
    rows = [{"event_id": event_id, "kind": kind} for kind in ("impression", "click", "conversion")]
    assert {result["status"] for result in service.report(*rows)} == {"accepted"}
    assert {result["status"] for result in service.report(*rows)} == {"duplicate"}


def test_json_lines(service: RunningService, event_id: str) -> None:
    lines = [json.dumps({"event_id": event_id, "kind": "impression"}), "{", "", "[1]", '{"value": 1e999}']
    headers = {"content-type": "application/x-ndjson"}
    answer = service.client.post("/v1/events", content="\n".join(lines), headers=headers).json()
    assert [result["status"] for result in answer["results"]] == ["accepted", "rejected", "rejected", "rejected"]
    assert (answer["accepted"], answer["duplicate"], answer["late"], answer["rejected"]) == (1, 0, 0, 3)


def test_reward_and_activate(service: RunningService, event_id: str) -> None:
    def post(path: str, **body: object) -> tuple[int, str]:
        answer = service.client.post(f"/v1/events/{path}", json=body or None)
        return answer.status_code, answer.json().get("status") or error_code(answer)

    assert post(f"{event_id}/activate") == (200, "accepted")
    assert post(f"{event_id}/activate") == (200, "duplicate")
    assert post(f"{event_id}/reward", value=0.5) == (200, "accepted")
    assert post(f"{event_id}/reward", value=1.0) == (200, "duplicate")
    assert post(f"{event_id}/reward", value=1.0, slot_id="image") == (200, "accepted")
    assert post("never/reward", value=1.0) == (404, "unknown_decision")
    assert post("g1.never/activate") == (422, "forged_event_id")
    assert post(f"{event_id}/reward", value=7) == (422, "value_out_of_range")


def test_a_body_that_is_no_batch(service: RunningService) -> None:
    for content in (b"", b"[]", b"{", b'{"events": 3}', b"\xff"):
        answer = service.client.post("/v1/events", content=content)
        assert (answer.status_code, error_code(answer)) == (422, "invalid_body")


def test_json_lines_are_as_many_as_a_batch_at_most(service: RunningService) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    refused = service.client.post("/v1/events", content=b"1\n" * (MOST_EVENTS + 1), headers=headers)
    assert (refused.status_code, error_code(refused)) == (422, "invalid_body")
