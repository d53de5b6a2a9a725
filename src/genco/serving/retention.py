"""Forgetting: decisions before a day, what was reported on them, and what only their requests brought along.

A decision is written before its set of candidates is looked for, in one transaction, which locks the set: so a set
that is being named is passed over here, and who names one that is being deleted waits and writes it again. No decision
is left without its set, and as nothing waits here, several sets at once are no deadlock.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, delete, exists, func, select

from genco.serving.store import be_patient
from genco.serving.tables import candidate_sets, decisions, events

BATCH = 2_000
_NAMED = exists().where(decisions.c.candidates == candidate_sets.c.digest)


@dataclass(frozen=True)
class Pruned:
    """Rows deleted, or that would be. candidate_sets: that no decision names any more."""

    decisions: int = 0
    events: int = 0
    candidate_sets: int = 0


def prune(engine: Engine, before: int) -> Pruned:
    """Delete decisions made before `before` (microseconds since 1970 UTC), their events, and sets of candidates that no
    decision names then, some at a time, so that a running server is held up by no more than `BATCH` rows."""
    num_decisions = num_events = num_sets = 0
    oldest = select(decisions.c.event_id).where(decisions.c.decided_at < before).order_by(decisions.c.decided_at)
    while True:
        with engine.begin() as connection:
            be_patient(connection)
            ids = list(connection.execute(oldest.limit(BATCH)).scalars())
            if not ids:
                break
            num_events += connection.execute(delete(events).where(events.c.event_id.in_(ids))).rowcount
            num_decisions += connection.execute(delete(decisions).where(decisions.c.event_id.in_(ids))).rowcount
    unnamed = select(candidate_sets.c.digest).where(~_NAMED).order_by(candidate_sets.c.digest)
    while True:
        with engine.begin() as connection:
            be_patient(connection)
            digests = list(connection.execute(unnamed.limit(BATCH).with_for_update(skip_locked=True)).scalars())
            if not digests:
                return Pruned(num_decisions, num_events, num_sets)
            gone = candidate_sets.c.digest.in_(digests), ~_NAMED  # a decision may have named one meanwhile
            num_sets += connection.execute(delete(candidate_sets).where(*gone)).rowcount


def num_before(engine: Engine, before: int) -> Pruned:
    """What `prune` would delete; events are not counted."""
    kept = exists().where(decisions.c.candidates == candidate_sets.c.digest, decisions.c.decided_at >= before)
    with engine.connect() as connection:
        be_patient(connection)
        old = connection.execute(select(func.count()).where(decisions.c.decided_at < before)).scalar_one()
        sets = connection.execute(select(func.count()).select_from(candidate_sets).where(~kept)).scalar_one()
    return Pruned(int(old), 0, int(sets))
