"""Forgetting: decisions before a day, and what was reported on them."""

from __future__ import annotations

from sqlalchemy import Engine, delete, func, select

from genco.serving.tables import decisions, events

BATCH = 2_000


def prune(engine: Engine, before: int) -> tuple[int, int]:
    """Delete decisions made before `before` (microseconds since 1970 UTC) and their events, some at a time, so that a
    running server is held up by no more than `BATCH` rows. Returns the numbers of decisions and events deleted."""
    num_decisions = num_events = 0
    oldest = select(decisions.c.event_id).where(decisions.c.decided_at < before).order_by(decisions.c.decided_at)
    while True:
        with engine.begin() as connection:
            ids = list(connection.execute(oldest.limit(BATCH)).scalars())
            if not ids:
                return num_decisions, num_events
            num_events += connection.execute(delete(events).where(events.c.event_id.in_(ids))).rowcount
            num_decisions += connection.execute(delete(decisions).where(decisions.c.event_id.in_(ids))).rowcount


def num_before(engine: Engine, before: int) -> int:
    """Decisions that `prune` would delete."""
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).where(decisions.c.decided_at < before)).scalar() or 0)
