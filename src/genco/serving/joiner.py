"""Joins decisions with what is reported of them later: each row once, in time or late, and only what was decided.

A decision waits for events for the reward window, by the server's clock. What arrives in time counts; what arrives
later is logged and never learned. After the window a decision is settled and its outcome never changes: its reward is
the sum of its rewards and clicks, 1 at most, 0 where it was shown and nothing came. One that nobody reported as shown
is never learned.

A decision converts once, however many conversions come of it; their values add up to its revenue. A return, a
conversion of negative value, takes back revenue of its decision, down to 0, and is no conversion.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, false, func, or_, select, true

from genco.serving.actor_caps import ActorCaps
from genco.serving.actor_limits import ActorLimits
from genco.serving.bulk_insert import insert_rows
from genco.serving.tables import decisions, events

IMPRESSION, ACTIVATION, CLICK, CONVERSION, REWARD = "impression", "activation", "click", "conversion", "reward"
KINDS = (IMPRESSION, ACTIVATION, CLICK, CONVERSION, REWARD)
SHOWN = (IMPRESSION, ACTIVATION)
CLICKS, CONVERSIONS = "num_clicks", "num_conversions"  # the events whose rate a run learns
REWARDED = (CLICK, REWARD)
ACCEPTED, DUPLICATE, LATE, REJECTED = "accepted", "duplicate", "late", "rejected"
LARGEST_REVENUE = 1e12  # of one conversion: no sum of such overflows, which would stop learning and reports for good
_CHUNK = 500


@dataclass(frozen=True)
class EventRow:
    """One report on a decision.

    slot_id: "" = the whole decision · value: revenue of a conversion, else 0 to 1 · id: the caller's name of the row,
    so that two conversions differ and a repeated one does not count twice.
    """

    event_id: str
    kind: str
    slot_id: str = ""
    value: float = 1.0
    id: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a row. why: a code and words, only of a rejected one."""

    status: str
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class Joined:
    """A settled decision that was shown. combination: element id per slot · candidates: digest of the set that the
    request brought along · narrowed: None = an older version did not write it · reward: sum of its rewards and clicks
    (or conversions), from 0 to 1 · clicks, conversions: 1 where there was any · counts: False where its actor is beyond
    its limits · actor: its hash."""

    event_id: str
    decided_at: int
    product_id: str
    context: dict[str, Any]
    combination: tuple[str | None, ...]
    propensity: float | None
    policy: str
    model_version: str
    candidates: str | None
    narrowed: bool | None
    reward: float
    clicks: int
    conversions: int
    revenue: float
    counts: bool
    actor: str | None


def row_id(row: EventRow, reward: str) -> str:
    """What makes two rows the same row: impressions and activations count once a decision; clicks and rewards once a
    decision and slot under `earliest`, once an id under `sum`; conversions once an id."""
    if row.kind in SHOWN:
        parts: tuple[str, ...] = (row.event_id, row.kind)
    elif row.kind in REWARDED and reward == "earliest":
        parts = (row.event_id, REWARD, row.slot_id)
    else:
        parts = (row.event_id, row.kind, row.slot_id, row.id)
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def ingest(
    connection: Connection,
    rows: Sequence[EventRow],
    received_at: int,
    window_us: int,
    reward: str,
    caps: ActorCaps | None = None,
    rate_of: str = CLICKS,
) -> list[Verdict]:
    """Store the rows and say of each what became of it. To be run by the one writer, in a transaction.

    received_at: time of receipt by the server's clock · reward: `earliest` or `sum` · caps: on rewards of one actor ·
    rate_of: the events that are a reward.
    """
    decided = _decided(connection, sorted({row.event_id for row in rows}))
    ids = [row_id(row, reward) for row in rows]
    seen = _known(connection, sorted(set(ids)))
    verdicts, fresh, capped = [], [], rewarding(rate_of)
    for row, identity in zip(rows, ids, strict=True):
        decided_at, actor = decided.get(row.event_id, (None, None))
        verdict = _verdict(row, decided_at, identity in seen, received_at, window_us)
        is_reward = verdict.status == ACCEPTED and row.kind in capped and row.value >= 0  # a return is none
        if is_reward and caps is not None and not caps.allows(actor, identity, received_at):
            verdict = Verdict(REJECTED, "actor_cap", "Too many rewards of this decision's actor came lately.")
        verdicts.append(verdict)
        if verdict.status in (ACCEPTED, LATE):
            seen.add(identity)
            fresh.append(
                {
                    "row_id": identity,
                    "event_id": row.event_id,
                    "kind": row.kind,
                    "slot_id": row.slot_id,
                    "value": row.value,
                    "received_at": received_at,
                    "late": verdict.status == LATE,
                }
            )
    if fresh:
        insert_rows(connection, events, fresh)
    return verdicts


def _verdict(row: EventRow, decided_at: int | None, known: bool, received_at: int, window_us: int) -> Verdict:
    if decided_at is None:
        return Verdict(REJECTED, "unknown_decision", f"No decision {row.event_id!r} is stored.")
    low, high = (-LARGEST_REVENUE, LARGEST_REVENUE) if row.kind == CONVERSION else (0, 1)
    if not low <= row.value <= high:
        message = f"The value of a {row.kind} should be from {low:g} to {high:g}. Found {row.value}."
        return Verdict(REJECTED, "value_out_of_range", message)
    if known:
        return Verdict(DUPLICATE)
    return Verdict(LATE if received_at > decided_at + window_us else ACCEPTED)


def _decided(connection: Connection, event_ids: Sequence[str]) -> dict[str, tuple[int, str | None]]:
    """Time and actor of decisions."""
    found: dict[str, tuple[int, str | None]] = {}
    for start in range(0, len(event_ids), _CHUNK):
        wanted = decisions.c.event_id.in_(event_ids[start : start + _CHUNK])
        query = select(decisions.c.event_id, decisions.c.decided_at, decisions.c.actor).where(wanted)
        found.update((event_id, (at, actor)) for event_id, at, actor in connection.execute(query))
    return found


def _known(connection: Connection, row_ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(row_ids), _CHUNK):
        query = select(events.c.row_id).where(events.c.row_id.in_(row_ids[start : start + _CHUNK]))
        found.update(connection.execute(query).scalars())
    return found


def rewarding(rate_of: str) -> tuple[str, ...]:
    """Kinds of reports that are a reward to a run which learned the rate of `rate_of`: rewards, and its events."""
    return (CONVERSION, REWARD) if rate_of == CONVERSIONS else REWARDED


def sold() -> ColumnElement[bool]:
    """Whether a report is of a conversion that is no return."""
    return and_(events.c.kind == CONVERSION, events.c.value >= 0)


def worth() -> ColumnElement[float]:
    """What a report of such a kind counts: a conversion 1, whatever it brought in, but 0 where it takes back."""
    return case((events.c.kind != CONVERSION, events.c.value), (sold(), 1.0), else_=0.0)


def total(condition: ColumnElement[bool], value: Any) -> ColumnElement[Any]:
    """Sum of `value` over the reports of a group that are so."""
    return func.coalesce(func.sum(case((condition, value), else_=0)), 0)


def any_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """1 where a report of a group is so, else 0."""
    return func.coalesce(func.max(case((condition, 1), else_=0)), 0)


def at_most(value: ColumnElement[Any], most: float) -> ColumnElement[Any]:
    """The smaller one; the two stores name this function differently."""
    return case((value > most, most), else_=value)


def revenue() -> ColumnElement[float]:
    """Of a decision, over its reports: returns take back what it brought in, and no more."""
    added = total(events.c.kind == CONVERSION, events.c.value)
    return case((added < 0, 0.0), else_=added)


def settled(
    connection: Connection,
    start: int,
    stop: int,
    batch: int = 5_000,
    limits: ActorLimits | None = None,
    rate_of: str = CLICKS,
    only: ColumnElement[bool] | None = None,
) -> Iterator[Joined]:
    """Settled decisions with start <= decided_at < stop that were shown, in order of time.

    `stop` should lie a reward window back, or events may still come. limits: where not given, every decision counts ·
    rate_of: the events that are a reward, `num_clicks` or `num_conversions` · only: of `decisions`, which to read.
    """
    in_time = and_(events.c.event_id == decisions.c.event_id, events.c.late == false())
    shown = or_(decisions.c.activated == true(), any_of(events.c.kind.in_(SHOWN)) > 0)
    query = (
        select(
            decisions,
            at_most(total(events.c.kind.in_(rewarding(rate_of)), worth()), 1.0).label("reward"),
            any_of(events.c.kind == CLICK).label("clicks"),
            any_of(sold()).label("conversions"),
            revenue().label("revenue"),
            (true() if limits is None else limits.counts()).label("counts"),
        )
        .select_from(decisions.outerjoin(events, in_time))
        .where(decisions.c.decided_at >= start, decisions.c.decided_at < stop, true() if only is None else only)
        .group_by(decisions.c.event_id)
        .having(shown)
        .order_by(decisions.c.decided_at, decisions.c.event_id)
    )
    for row in connection.execution_options(yield_per=batch).execute(query):
        yield _joined(row)


def of_rewarded_actors(start: int, stop: int, rate_of: str, times: int) -> ColumnElement[bool]:
    """Whether a row of `decisions` is of an actor with `times` rewarded ones or more from `start` to before `stop`."""
    made = decisions.alias("made")
    actors = (
        select(made.c.actor)
        .join(events, events.c.event_id == made.c.event_id)
        .where(made.c.decided_at >= start, made.c.decided_at < stop, made.c.actor.is_not(None))
        .where(events.c.kind.in_(rewarding(rate_of)), events.c.late == false())
        .group_by(made.c.actor)
        .having(func.count(made.c.event_id.distinct()) >= times)
    )
    return decisions.c.actor.in_(actors)


def _joined(row: Row[Any]) -> Joined:
    return Joined(
        event_id=row.event_id,
        decided_at=row.decided_at,
        product_id=row.product_id,
        context=json.loads(row.context),
        combination=tuple(json.loads(row.combination)),
        propensity=row.propensity,
        policy=row.policy,
        model_version=row.model_version,
        candidates=row.candidates,
        narrowed=row.narrowed,
        reward=float(row.reward),
        clicks=int(row.clicks),
        conversions=int(row.conversions),
        revenue=float(row.revenue),
        counts=bool(row.counts),
        actor=row.actor,
    )
