"""The process: open the service, then let uvicorn listen."""

from __future__ import annotations

import gc
import os
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from genco.errors import ConfigError
from genco.serving.app import Surface, create_app
from genco.serving.config import ServiceConfig
from genco.serving.keys import SCOPES, add_key, list_keys
from genco.serving.logs import configure_logs
from genco.serving.service import Service
from genco.serving.telemetry import traced

STOP_SECONDS = 20
SWITCH_SECONDS = 0.001  # scorer and writer hold up the requests for no longer than this
BOOTSTRAP_VARIABLE = "GENCO_BOOTSTRAP_KEY"


@dataclass(frozen=True)
class Tls:
    """Files in PEM: the certificate, followed by those up to the issuer's, and its key without a password.

    Raises `ConfigError` where they cannot be read or do not belong together.
    """

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, lambda: b"")
        except OSError as error:  # also of the SSL library
            raise ConfigError(
                f"A certificate and its key are expected in {self.certificate} and {self.key}. {error}"
            ) from error


def scheme(tls: Tls | None) -> str:
    return "http" if tls is None else "https"


def serve(
    run: str | Path,
    store: str,
    config: ServiceConfig,
    host: str,
    port: int,
    log_level: str,
    say: Callable[[str], None],
    surfaces: Callable[[Service], Sequence[Surface]] = lambda _: (),
    tls: Tls | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is under way, flush and return. say: tells the person · surfaces:
    what stands beside the API · tls: for https instead of http.

    A store without a valid key gets one with every scope: that of the environment, or a new one that is told once.
    """
    configure_logs(log_level)
    sys.setswitchinterval(SWITCH_SECONDS)
    service = Service(run, store, config)
    if not any(key.revoked_at is None for key in list_keys(service.engine)):
        own = os.environ.get(BOOTSTRAP_VARIABLE) or None
        _, secret = add_key(service.engine, "bootstrap", SCOPES, service.clock.now(), own)
        service.gate.reload()
        if own is None:
            say(f"The store had no key. This one may do everything and is not shown again: {secret}")
    gc.collect()
    gc.freeze()  # or the collector walks through the loaded model every so often while requests wait
    if service.live.set_aside:
        say(f"{run} is registered, not served: another version is being rolled out. Promote it once that has ended.")
    what = "the version served last" if service.live.set_aside else run
    say(f"Serving {what} in mode {config.mode} on {scheme(tls)}://{host}:{port}, model {service.model.version}.")
    uvicorn.run(
        traced(create_app(service, surfaces(service)), os.environ),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
