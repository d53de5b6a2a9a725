"""A real server in a process of its own and a client for it; and the same application in this process."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient
from tests.kits.waiting import PATIENCE, until

from genco.serving.app import create_app
from genco.serving.config import service_config
from genco.serving.keys import SCOPES, add_key
from genco.serving.service import Service

KEY = "test-key-with-every-scope"
PATIENT = {"learn_every_seconds": 0, "timeout_ms": 60_000}  # the model chooses, however busy the machine
PORTS = range(15_000, 32_000)  # below those that systems give to outgoing connections, which could take one meanwhile


class Client:
    """Requests that must succeed, through `client`."""

    client: httpx.Client

    def decide(self, product_id: str, **fields: Any) -> dict[str, Any]:
        """A decision."""
        answer = self.client.post("/v1/decide", json={"product_id": product_id, **fields})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, dict)
        return found

    def report(self, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        """Results of a batch of events."""
        answer = self.client.post("/v1/events", json={"events": rows})
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert isinstance(results, list)
        return results


class InProcess(Client):
    """The application without a server, for what needs a configuration of its own."""

    def __init__(self, run: Path, store: str, **config: Any) -> None:
        self.service = Service(run, store, service_config({**PATIENT, **config}))
        add_key(self.service.engine, "test", SCOPES, 0, KEY)
        self.service.gate.reload()
        self.client = TestClient(create_app(self.service), raise_server_exceptions=False)
        self.client.headers["Authorization"] = f"Bearer {KEY}"

    @property
    def state(self) -> Any:
        """What the application holds beside the service: guard, jobs, shown."""
        return self.client.app.app._app.state  # type: ignore[attr-defined]

    def travel(self, seconds: float) -> None:
        """Set the server's clock forward."""
        self.service.clock._offset += round(seconds * 1e6)

    def __enter__(self) -> InProcess:
        self.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__(None, None, None)


class RunningService(Client):
    """`genco serve` on a free port. Use as a context manager, or `kill`, `stop` and `start` by hand."""

    def __init__(self, run: Path, store: str, folder: Path, options: Sequence[object] = (), **config: Any) -> None:
        self.run, self.store, self.folder, self.options = run, store, folder, options
        self.config = folder / "serve.toml"
        lines = [f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in {**PATIENT, **config}.items()]
        self.config.write_text("\n".join(lines))
        self.url = ""
        self.client = httpx.Client(timeout=PATIENCE)
        self.client.headers["Authorization"] = f"Bearer {KEY}"

    def start(self) -> RunningService:
        port = free_port()
        self.url = f"{'https' if '--tls-cert' in self.options else 'http'}://127.0.0.1:{port}"
        self.client.base_url = httpx.URL(self.url)
        command: list[object] = [
            Path(sys.executable).with_name("genco"),
            "serve",
            "--run",
            self.run,
            "--store",
            self.store,
        ]
        command += ["--config", self.config, "--port", str(port), *self.options]
        environment = {**os.environ, "GENCO_BOOTSTRAP_KEY": KEY, "OMP_NUM_THREADS": "1"}
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, env=environment)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise
        return self

    def _wait(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, self.log()
            try:
                return self.client.get("/health/ready").status_code == 200
            except httpx.TransportError:
                return False

        until(is_ready, "The server should be ready")

    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    def kill(self) -> None:
        """End the process at once, as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask the process to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def __enter__(self) -> RunningService:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.kill()


def free_port() -> int:
    """A port that nothing listens on."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def key_without(scope: str) -> str:
    """A key the shared server knows that lacks this scope."""
    return f"test-key-without-{scope}"


def error_code(answer: httpx.Response) -> str:
    """The code of an error; its body must have nothing else."""
    body = answer.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message"}, body
    return str(body["error"]["code"])
