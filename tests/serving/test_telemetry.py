"""Traces: only where the environment asks, one span a request, in the caller's trace."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from starlette.testclient import TestClient
from tests.kits.running_service import KEY, InProcess, RunningService

from genco.errors import ConfigError
from genco.serving.telemetry import Traced, traced
from genco.storage.runs import RunFolder


def test_without_an_endpoint_nothing_is_wrapped_or_imported() -> None:
    app: Any = object()
    assert traced(app, {}) is app
    assert traced(app, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}) is app
    code = (
        "import sys; from genco.serving.server import serve; from genco.serving.telemetry import traced; traced(1, {});"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_span_a_request(pairs_run: RunFolder, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with InProcess(pairs_run.path, str(tmp_path / "store.db")) as running:
        client = TestClient(Traced(running.client.app, provider), raise_server_exceptions=False)
        headers = {"Authorization": f"Bearer {KEY}", "traceparent": parent, "x-request-id": "mine"}
        product = str(running.service.model.catalogue.products["product_id"][0])
        assert client.post("/v1/decide", json={"product_id": product}, headers=headers).status_code == 200
        client.get("/v1/models", headers=headers)
        client.get("/nowhere")
        running.service.stopping = True
        client.get("/health/ready")
    decide, models, nowhere, ready = spans.get_finished_spans()
    assert [span.name for span in (decide, models, ready)] == ["POST /v1/decide", "GET /v1/models", "GET /health/ready"]
    assert f"{decide.context.trace_id:032x}" == parent.split("-")[1]
    assert decide.parent is not None and nowhere.parent is None
    assert dict(decide.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/decide",
        "genco.request_id": "mine",
    }
    assert (nowhere.attributes or {})["http.response.status_code"] == 404
    assert not ready.status.is_ok and decide.status.is_unset


def test_an_endpoint_switches_it_on() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    app: Any = object()
    assert isinstance(traced(app, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}), Traced)


class Collector(BaseHTTPRequestHandler):
    """Takes what the exporter sends."""

    taken: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        self.taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_sends_its_spans_before_it_ends(
    pairs_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        with RunningService(pairs_run.path, str(tmp_path / "store.db"), tmp_path) as running:
            running.client.get("/v1/models")
            running.stop()
        collector.shutdown()
    assert {path for path, _ in Collector.taken} == {"/v1/traces"}
    assert b"GET /v1/models" in b"".join(body for _, body in Collector.taken)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    app: Any = object()
    with pytest.raises(ConfigError, match="extra `otel`"):
        traced(app, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
