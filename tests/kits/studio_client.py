"""A signed-in person in this process, with the API beside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient
from tests.kits.running_service import KEY, PATIENT
from tests.studio.conftest import PASSWORD, open_studio_store

from genco.serving.app import create_app
from genco.serving.config import service_config
from genco.serving.service import Service
from genco.studio.app import StudioSurface


class StudioClient:
    """The studio on a fresh store, used by one person at a time. Use as a context manager."""

    def __init__(self, run: Path, store: str, **config: Any) -> None:
        open_studio_store(store)
        self.service = Service(run, store, service_config({**PATIENT, **config}))
        self.surface = StudioSurface(self.service)
        app = create_app(self.service, [self.surface])
        self.client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
        self.token = ""

    def enter(self, name: str) -> None:
        """Sign in as the user of this role."""
        data = {"name": name, "password": PASSWORD, "next": "/studio/"}
        assert self.client.post("/studio/sign-in", data=data).status_code == 303
        found = re.search('name="form_token" value="([^"]+)"', self.page("/studio/"))
        assert found is not None
        self.token = found[1]

    def page(self, path: str, /, **asked: Any) -> str:
        """A page's HTML."""
        answer = self.client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return answer.text

    def twin(self, path: str, /, **asked: Any) -> Any:
        """A page's JSON twin."""
        answer = self.client.get(f"{path}.json", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, path: str, /, **fields: Any) -> httpx.Response:
        """A form of this session."""
        return self.client.post(path, data={"form_token": self.token, **fields})

    def api(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """An answer of the API."""
        answer = self.client.post(path, json=body, headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def decide(self, product_id: str, **fields: Any) -> dict[str, Any]:
        """A decision through the API."""
        return self.api("/v1/decide", {"product_id": product_id, **fields})

    def report(self, *rows: dict[str, Any]) -> None:
        """Events through the API."""
        self.api("/v1/events", {"events": rows})

    def __enter__(self) -> StudioClient:
        self.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__(None, None, None)
