"""What was shown and what came of it, by element and by combination. Counts add up: every shown decision counts once in
every slot, and once among the combinations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, false, func, or_, select, true

from genco.data.catalogue import Catalogue
from genco.serving.joiner import CLICK, REWARDED, SHOWN, any_of, at_most, revenue, sold, total
from genco.serving.tables import decisions, events

NEVER = 2**62


@dataclass(frozen=True)
class ShownCombination:
    """One combination of one product: decisions that were shown, and what was reported in time. text: the combination
    as JSON."""

    product_id: str
    text: str
    impressions: int
    clicks: int
    conversions: int
    revenue: float
    reward: float

    @property
    def combination(self) -> tuple[str | None, ...]:
        """Element id per slot of the run, None = empty."""
        return tuple(json.loads(self.text))

    def __add__(self, other: ShownCombination) -> ShownCombination:
        """Counts of both; they are of the same combination."""
        return ShownCombination(
            self.product_id,
            self.text,
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            self.conversions + other.conversions,
            self.revenue + other.revenue,
            self.reward + other.reward,
        )


@dataclass(frozen=True)
class ShownElement:
    """One element in one slot. element_id: None = the slot stayed empty · ctr: clicks an impression, None of none."""

    slot_id: str
    element_id: str | None
    component: str
    status: str | None
    impressions: int
    clicks: int
    ctr: float | None


def shown_combinations(connection: Connection, start: int = 0, stop: int = NEVER) -> list[ShownCombination]:
    """Combinations shown by decisions with start <= decided_at < stop, most impressions first. clicks,
    conversions: decisions with any, at most one each."""
    kind, made = events.c.kind, decisions.c
    inside = and_(made.decided_at >= start, made.decided_at < stop)
    by_decision = (
        select(
            events.c.event_id,
            any_of(kind.in_(SHOWN)).label("shown"),
            any_of(kind == CLICK).label("clicked"),
            any_of(sold()).label("conversions"),
            revenue().label("revenue"),
            at_most(total(kind.in_(REWARDED), events.c.value), 1.0).label("reward"),
        )
        .select_from(events.join(decisions, made.event_id == events.c.event_id))
        .where(inside, events.c.late == false())
        .group_by(events.c.event_id)
        .subquery()
    )
    sums = [func.coalesce(func.sum(by_decision.c[name]), 0) for name in ("clicked", "conversions", "revenue", "reward")]
    query = (
        select(made.product_id, made.combination, func.count(), *sums)
        .select_from(decisions.outerjoin(by_decision, by_decision.c.event_id == made.event_id))
        .where(inside, or_(made.activated == true(), by_decision.c.shown == 1))
        .group_by(made.product_id, made.combination)
    )
    found = [
        ShownCombination(product, text, int(n), int(clicks), int(conversions), float(paid), float(got))
        for product, text, n, clicks, conversions, paid, got in connection.execute(query)
    ]
    return most_first(found)


def most_first(rows: Iterable[ShownCombination]) -> list[ShownCombination]:
    """Most impressions first."""
    return sorted(rows, key=lambda row: (-row.impressions, row.product_id, row.text))


def shown_elements(rows: Sequence[ShownCombination], catalogue: Catalogue) -> list[ShownElement]:
    """Counts by slot and element, most impressions first."""
    counts: dict[tuple[int, str | None], list[int]] = {}
    for row in rows:
        for slot, element in enumerate(row.combination[: catalogue.num_slots]):
            count = counts.setdefault((slot, element), [0, 0])
            count[0] += row.impressions
            count[1] += row.clicks
    status, elements = catalogue.elements["status"], catalogue.element_rows
    found = [
        ShownElement(
            slot_id=catalogue.slots[slot].name,
            element_id=element,
            component=catalogue.slots[slot].component,
            status=str(status[elements[element]]) if element in elements else None,
            impressions=impressions,
            clicks=clicks,
            ctr=clicks / impressions if impressions else None,
        )
        for (slot, element), (impressions, clicks) in counts.items()
    ]
    return sorted(found, key=lambda row: (row.slot_id, -row.impressions, str(row.element_id)))
