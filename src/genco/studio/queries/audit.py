"""The audit log: who changed what, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from genco.serving.tables import audit
from genco.studio.queries.actors import actor_names
from genco.studio.studio import Studio

PAGE_SIZE = 50


@dataclass(frozen=True)
class AuditLine:
    """One act. actor: id of a key, `user:NAME`, or a part of the service · who: for readers · detail: as stored."""

    number: int
    at: int
    actor: str
    who: str
    act: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Audit:
    """actor, act, about: the filters · actors: everybody in the log, with what readers call them · acts: all kinds ·
    older: where the next page begins, None on the last."""

    actor: str
    act: str
    about: str
    actors: dict[str, str]
    acts: tuple[str, ...]
    lines: tuple[AuditLine, ...]
    older: int | None


def audit_log(studio: Studio, actor: str, act: str, about: str, before: int | None) -> Audit:
    """Newest first. about: what the detail contains, such as an id · before: lines below this number."""
    with studio.service.engine.connect() as connection:
        query = _filtered(select(audit), actor, act, about)
        if before is not None:
            query = query.where(audit.c.number < before)
        rows = connection.execute(query.order_by(audit.c.number.desc()).limit(PAGE_SIZE + 1)).all()
        names = actor_names(connection, _distinct(connection, audit.c.key_id))
        acts = _distinct(connection, audit.c.act)
    lines = [
        AuditLine(row.number, row.at, row.key_id, names.get(row.key_id, row.key_id), row.act, json.loads(row.detail))
        for row in rows[:PAGE_SIZE]
    ]
    older = lines[-1].number if len(rows) > PAGE_SIZE else None
    return Audit(actor, act, about, dict(sorted(names.items())), tuple(acts), tuple(lines), older)


def _filtered(query: Select[Any], actor: str, act: str, about: str) -> Select[Any]:
    if actor:
        query = query.where(audit.c.key_id == actor)
    if act:
        query = query.where(audit.c.act == act)
    if about:
        query = query.where(audit.c.detail.contains(json.dumps(about)[1:-1], autoescape=True))
    return query


def _distinct(connection: Connection, column: Any) -> list[str]:
    return [str(value) for value in connection.execute(select(column).distinct().order_by(column)).scalars()]
