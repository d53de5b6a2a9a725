"""Rows of the service's store, for tests that write them by hand."""

from __future__ import annotations

from typing import Any


def decision(event_id: str, at: int, activated: bool = False) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "decided_at": at,
        "product_id": "p1",
        "context": "{}",
        "combination": '["t1",null]',
        "propensity": 0.5,
        "policy": "model",
        "mode": "online",
        "reason": "",
        "model_version": "v",
        "catalogue_version": 0,
        "activated": activated,
        "digest": "",
    }


def event(event_id: str, at: int, kind: str = "click") -> dict[str, Any]:
    return {
        "row_id": f"{event_id}-{kind}",
        "event_id": event_id,
        "kind": kind,
        "slot_id": "",
        "value": 1.0,
        "received_at": at,
        "late": False,
    }
