"""A revoked key is of no use from the moment on, though the server's copy of the keys still has it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from tests.kits.running_service import InProcess

from genco.serving.keys import SCOPES, add_key, revoke_key
from genco.serving.tables import events
from genco.storage.runs import RunFolder


@pytest.mark.parametrize("first", ["decide", "decide again", "event", "read"])
def test_at_once(pairs_run: RunFolder, store_url: str, first: str) -> None:
    """Whatever is asked first: nothing has told the server."""
    with InProcess(pairs_run.path, store_url) as running:
        engine, gate = running.service.engine, running.service.gate
        key_id, secret = add_key(engine, "leaked", SCOPES, 0)
        gate.reload()
        product = str(pairs_run.read_table("products")["product_id"][0])
        body = {"product_id": product, "event_id": "mine"}
        headers = {"Authorization": f"Bearer {secret}"}

        def ask() -> Any:
            if first == "read":
                return running.client.get("/v1/models", headers=headers)
            if first == "event":
                rows = {"events": [{"event_id": "mine", "kind": "click"}]}
                return running.client.post("/v1/events", json=rows, headers=headers)
            asked = body if first == "decide again" else {"product_id": product}
            return running.client.post("/v1/decide", json=asked, headers=headers)

        assert running.client.post("/v1/decide", json=body, headers=headers).status_code == 200
        gate._read_at += 3600  # no refresh comes in between
        revoke_key(engine, key_id, 1)
        refused = ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "key_unknown")
        with engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(events)).scalar() == 0
        assert running.decide(product)["policy"] == "model"
