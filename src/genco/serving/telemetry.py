"""Traces for OpenTelemetry: one span a request, in the trace its caller began.

The environment decides, by OpenTelemetry's own names: with `OTEL_EXPORTER_OTLP_ENDPOINT` (or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) spans go there over HTTP; without it, or with `OTEL_SDK_DISABLED=true`, the SDK is
not even imported. `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, samplers and headers are read by the SDK. Metrics
are at `/metrics` for Prometheus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genco.errors import ConfigError
from genco.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def traced(app: ASGIApp, environment: Mapping[str, str]) -> ASGIApp:
    """The application, with spans where the environment asks for them. Raises `ConfigError` without the extra."""
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if off or not any(environment.get(name) for name in ENDPOINTS):
        return app
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigError(f"Traces need the extra `otel`: pip install 'genco[otel]'. {error}") from error
    name = environment.get("OTEL_SERVICE_NAME") or "genco"
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traced(app, provider)


class Traced:
    """Plain ASGI around everything else. What is left is sent when the application has stopped."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.app, self._provider = app, provider
        self._kind, self._traces = SpanKind.SERVER, TraceContextTextMapPropagator()
        self._tracer = provider.get_tracer("genco.serving", __version__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, self._sending_last(send))
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = self._traces.extract(headers)
        with self._tracer.start_as_current_span(scope["method"], context=parent, kind=self._kind) as span:
            span.set_attribute("http.request.method", scope["method"])

            async def send_seen(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _describe(span, message)
                await send(message)

            await self.app(scope, receive, send_seen)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)

    def _sending_last(self, send: Send) -> Send:
        """Sends what is left before the server hears that the application has stopped, after which it may be killed."""

        async def send_after(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await asyncio.to_thread(self._provider.shutdown)
            await send(message)

        return send_after


def _describe(span: Any, message: Message) -> None:
    from opentelemetry.trace import StatusCode

    status = int(message["status"])
    span.set_attribute("http.response.status_code", status)
    name = next((value for key, value in message["headers"] if key == b"x-request-id"), b"")
    span.set_attribute("genco.request_id", name.decode("latin-1"))
    if status >= 500:
        span.set_status(StatusCode.ERROR)
