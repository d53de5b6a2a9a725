"""Alarms: what went wrong by itself and waits to be looked at. Kept in the store until somebody closes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from genco.serving.errors import ApiError
from genco.serving.tables import alarms

CANDIDATE_UNUSABLE, RETRAINING_FAILED = "candidate_unusable", "retraining_failed"
ACTORS_LEFT_OUT, REWARDS_FORGED = "actors_left_out", "rewards_forged"


@dataclass(frozen=True)
class Alarm:
    """since: microseconds · detail: the figures that raised it."""

    number: int
    name: str
    since: int
    detail: dict[str, Any]


def raise_alarm(connection: Connection, name: str, detail: Mapping[str, Any], now: int) -> None:
    """Open an alarm."""
    connection.execute(insert(alarms).values(name=name, since=now, detail=json.dumps(detail)))


def raise_once(connection: Connection, name: str, detail: Mapping[str, Any], now: int) -> None:
    """Open an alarm unless one of this name is open."""
    if all(alarm.name != name for alarm in open_alarms(connection)):
        raise_alarm(connection, name, detail, now)


def open_alarms(connection: Connection) -> list[Alarm]:
    """Those nobody has closed, newest first."""
    query = select(alarms).where(alarms.c.closed_at.is_(None)).order_by(alarms.c.number.desc())
    return [Alarm(row.number, row.name, row.since, json.loads(row.detail)) for row in connection.execute(query)]


def close_alarm(connection: Connection, number: int, now: int) -> None:
    """Close an alarm. Raises `ApiError` 404 where none of this number is open."""
    still_open = (alarms.c.number == number) & alarms.c.closed_at.is_(None)
    if not connection.execute(select(func.count()).where(still_open)).scalar():
        raise ApiError(404, "unknown_alarm", f"No alarm {number} is open.")
    connection.execute(update(alarms).where(still_open).values(closed_at=now))
