"""The audit log: who did what and when, written in the transaction of the act itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert

from genco.serving.tables import audit


def note_each(connection: Connection, at: int, actor: str, act: str, details: Sequence[Mapping[str, Any]]) -> None:
    """Write a line for each detail."""
    lines = [{"at": at, "key_id": actor, "act": act, "detail": json.dumps(detail)} for detail in details]
    connection.execute(insert(audit), lines)


def note(connection: Connection, at: int, actor: str, act: str, detail: Mapping[str, Any]) -> None:
    """Write one line. actor: the id of an API key, `user:NAME`, or `cli`."""
    connection.execute(insert(audit).values(at=at, key_id=actor, act=act, detail=json.dumps(detail)))
