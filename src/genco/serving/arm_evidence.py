"""What a rollout's stage has shown so far: read from the store as it comes in, kept as sums.

Rewards that came in time count for their decision's arm whether or not an impression was reported, so that an arm whose
cards do not show up earns less. Decisions whose rewards may still come count in both arms alike. The reward of a
decision is 1 at most, as in learning: what comes in adds how far it takes that.
"""

from __future__ import annotations

import zlib
from collections import deque

import numpy as np
from sqlalchemy import Connection, false, select, true

from genco.serving.decider import SCORING_FAILED, TIMEOUT
from genco.serving.guardrails import LEAST_DECISIONS, Evidence, Recent
from genco.serving.joiner import CLICKS, at_most, rewarding, total, worth
from genco.serving.rollout import CANDIDATE, CONTROL, Rollout
from genco.serving.tables import decisions, events

ARMS = (CONTROL, CANDIDATE)
BUCKETS = 512
RECENT_US = 600_000_000
MAX_RECENT = 20_000
CHUNK_US = 600_000_000


class ArmEvidence:
    """Evidence of one stage of one rollout. reached: what was received before is in it · rate_of: the events that are a
    reward, those that the control learns."""

    def __init__(self, rollout: Rollout, rate_of: str = CLICKS) -> None:
        self._kinds = rewarding(rate_of)
        self.number, self.stage, self.share = rollout.number, rollout.stage, rollout.share
        self.reached = self._since = rollout.stage_at
        self._decisions, self._reward = np.zeros((2, BUCKETS)), np.zeros((2, BUCKETS))
        self._recent: tuple[deque[tuple[int, bool, int]], ...] = (deque(maxlen=MAX_RECENT), deque(maxlen=MAX_RECENT))

    def is_of(self, rollout: Rollout) -> bool:
        """Whether this is the stage the rollout is in."""
        return (self.number, self.stage) == (rollout.number, rollout.stage)

    def read(self, connection: Connection, until: int) -> None:
        """Add what was decided or received from `reached` to `until`, ten minutes at most."""
        stop = min(until, self.reached + CHUNK_US)
        if stop <= self.reached:
            return
        self._read_decisions(connection, stop)
        self._read_rewards(connection, stop)
        self.reached = stop

    def sums(self) -> Evidence:
        """What is known so far, as it is now."""
        recent = tuple(_recent(arm, self.reached - RECENT_US) for arm in self._recent)
        return Evidence(self.share, self._decisions.copy(), self._reward.copy(), (recent[0], recent[1]))

    def _read_decisions(self, connection: Connection, stop: int) -> None:
        made = decisions.c
        query = select(made.event_id, made.decided_at, made.actor, made.arm, made.reason, made.took_us).where(
            made.decided_at >= self.reached, made.decided_at < stop, made.arm.is_not(None)
        )
        for event_id, at, actor, arm, reason, took_us in connection.execute(query.order_by(made.decided_at)):
            number = ARMS.index(arm)
            self._decisions[number, bucket_of(actor or event_id)] += 1
            self._recent[number].append((at, reason in (TIMEOUT, SCORING_FAILED), took_us or 0))

    def _read_rewards(self, connection: Connection, stop: int) -> None:
        made, at = decisions.c, events.c.received_at
        counted = events.c.late == false(), events.c.kind.in_(self._kinds), at < stop
        fresh = select(events.c.event_id).where(*counted, at >= self.reached)
        now, before = (at_most(total(condition, worth()), 1.0) for condition in (true(), at < self.reached))
        query = (
            select(made.event_id, made.actor, made.arm, now - before)
            .join_from(events, decisions, events.c.event_id == made.event_id)
            .where(*counted, events.c.event_id.in_(fresh))
            .where(made.decided_at >= self._since, made.arm.is_not(None))
            .group_by(made.event_id)
        )
        for event_id, actor, arm, added in connection.execute(query):
            self._reward[ARMS.index(arm), bucket_of(actor or event_id)] += added


def bucket_of(unit: str) -> int:
    """Bucket of an actor's hash or an event's id."""
    return zlib.crc32(unit.encode()) % BUCKETS


def _recent(choices: deque[tuple[int, bool, int]], since: int) -> Recent:
    while choices and choices[0][0] < since:
        choices.popleft()
    num = len(choices)
    p99 = float(np.percentile([took for _, _, took in choices], 99)) / 1e3 if num >= LEAST_DECISIONS else None
    return Recent(num, sum(failed for _, failed, _ in choices), p99)
