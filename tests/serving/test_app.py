"""Around the routes: keys, scopes, limits, health, metrics, logs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from tests.kits.running_service import KEY, InProcess, RunningService, error_code, key_without
from tests.kits.waiting import PATIENCE, until

from genco.serving.keys import add_key, revoke_key
from genco.serving.store import open_store
from genco.serving.tables import decisions
from genco.storage.runs import RunFolder

PROTECTED = [
    ("POST", "/v1/decide", "decide"),
    ("POST", "/v1/events", "ingest"),
    ("POST", "/v1/events/x/reward", "ingest"),
    ("POST", "/v1/events/x/activate", "ingest"),
    ("PUT", "/v1/catalogue", "admin"),
    ("GET", "/v1/catalogue/products/p", "read"),
    ("POST", "/v1/controls", "admin"),
    ("POST", "/v1/controls/preview", "read"),
    ("POST", "/v1/controls/1/undo", "admin"),
    ("GET", "/v1/controls", "read"),
]


@pytest.mark.parametrize(("method", "path", "scope"), PROTECTED)
def test_every_route_is_closed_and_has_its_scope(service: RunningService, method: str, path: str, scope: str) -> None:
    bare = httpx.request(method, service.url + path, timeout=PATIENCE)
    assert (bare.status_code, error_code(bare)) == (401, "key_missing")
    wrong = httpx.request(method, service.url + path, headers={"Authorization": "Bearer x"}, timeout=PATIENCE)
    assert (wrong.status_code, error_code(wrong)) == (401, "key_unknown")
    headers = {"Authorization": f"Bearer {key_without(scope)}"}
    refused = httpx.request(method, service.url + path, headers=headers, timeout=PATIENCE)
    assert (refused.status_code, error_code(refused)) == (403, "scope_missing")


def test_keys_are_added_and_revoked_while_serving(service: RunningService) -> None:
    engine = open_store(service.store)
    key_id, secret = add_key(engine, "new", ("read",), 0)

    def code() -> str:
        answer = httpx.post(f"{service.url}/v1/decide", headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE)
        return error_code(answer)

    until(lambda: code() == "scope_missing", "The new key should be known")
    revoke_key(engine, key_id, 1)
    until(lambda: code() == "key_unknown", "The revoked key should be refused")
    engine.dispose()


def test_nothing_else_is_there(service: RunningService) -> None:
    missing = service.client.get("/nothing")
    assert (missing.status_code, error_code(missing)) == (404, "not_found")
    wrong = service.client.get("/v1/decide")
    assert (wrong.status_code, error_code(wrong)) == (405, "method_not_allowed")


def test_health_metrics_and_request_ids(service: RunningService) -> None:
    assert service.client.get("/health/live").json()["status"] == "live"
    ready = service.client.get("/health/ready", headers={"X-Request-ID": "my-id"})
    assert (ready.json()["status"], ready.json()["mode"]) == ("ready", "online")
    assert ready.headers["x-request-id"] == "my-id"
    other = service.client.get("/health/live", headers={"X-Request-ID": "bad id"}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", other)
    text = service.client.get("/metrics").text
    assert 'genco_requests_total{route="/health/ready",status="200"}' in text


def test_limits(pairs_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), max_body_bytes=2_000) as running:
        large = running.client.post("/v1/events", content=b" " * 2_001)
        assert (large.status_code, error_code(large)) == (413, "body_too_large")
        chunked = running.client.post("/v1/events", content=(b" " * 500 for _ in range(5)))
        assert (chunked.status_code, error_code(chunked)) == (413, "body_too_large")
    with InProcess(pairs_run.path, str(tmp_path / "other.db"), rate_per_second=20) as running:
        monkeypatch.setattr(running.service.gate, "_clock", lambda: 0.0)  # nothing is refilled meanwhile
        answers = [running.client.post("/v1/events", json={"events": []}) for _ in range(21)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        assert error_code(answers[-1]) == "rate_exceeded" and answers[-1].headers["retry-after"] == "1"


def test_a_fault_is_an_answer_with_its_request_id(
    pairs_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db")) as running:
        monkeypatch.setattr(running.service.live, "serving", None)
        answer = running.client.post("/v1/decide", json={"product_id": "p"}, headers={"X-Request-ID": "r1"})
    assert (answer.status_code, error_code(answer)) == (500, "internal_error")
    assert "request r1" in answer.json()["error"]["message"]
    assert "a request failed" in caplog.text


def test_stopping_flushes_and_logs_are_json(pairs_run: RunFolder, tmp_path: Path) -> None:
    with RunningService(pairs_run.path, str(tmp_path / "store.db"), tmp_path) as running:
        made = running.decide(str(pairs_run.read_table("products")["product_id"][0]))
        running.stop()
        lines = [json.loads(line) for line in running.log().splitlines() if line.startswith("{")]
        assert {"time", "level", "logger", "message"} <= set(lines[0])
        assert KEY not in running.log()
    engine = open_store(running.store)
    with engine.connect() as connection:
        assert connection.execute(select(decisions.c.propensity)).scalars().all() == [made["propensity"]]
    engine.dispose()
