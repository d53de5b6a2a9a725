"""Counts of what was shown and rewarded, kept in memory beside the log: pages read them instead of the log itself.

A click is what the run that is served learns: a click, or for a run on conversions a decision with a conversion.

A decision's outcome may change until its reward window is over. So counts of settled decisions are kept, and those of
the last window are read again at every refresh. `Counts` are immutable: a page sees one state of the log.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, and_, case, false, func, or_, select, true
from sqlalchemy.exc import SQLAlchemyError

from genco.data.catalogue import Catalogue
from genco.serving.joiner import CLICK, CLICKS, CONVERSION, CONVERSIONS, SHOWN
from genco.serving.service import Service
from genco.serving.tables import decisions, events

log = logging.getLogger(__name__)
SETTLE_US = 2_000_000  # beyond the window, as in `serving.learner`
CHUNK = 20_000
MAX_COMBINATIONS = 200_000
REFRESH_SECONDS = 2.0
REST = 20  # times its own length a refresh waits at least before the next: counting takes 5% of a core at most
SECOND, HOUR = 1_000_000, 3_600_000_000
# Age up to which periods are this long: 5 seconds for an hour, a minute for two days, then an hour.
PERIODS = ((HOUR, 5 * SECOND), (48 * HOUR, 60 * SECOND))
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Flow:
    """Shown decisions of one policy in one period. explored: whose combination had a propensity below one half ·
    surprise: sum of -log propensity, in nats, 0 where none is known."""

    impressions: int = 0
    clicks: int = 0
    explored: int = 0
    surprise: float = 0.0

    def __add__(self, other: Flow) -> Flow:
        return Flow(
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            self.explored + other.explored,
            self.surprise + other.surprise,
        )


@dataclass(frozen=True)
class Counts:
    """Shown decisions decided before `until`, and those of them with a click, at most one each.

    product, element, empty, unknown: [2, ...] impressions and clicks, by product, by element over all slots of its
    component, and by slot left empty or showing an element that the catalogue lacks · flows: by start of the period and
    policy · products_unknown: [2] of products that the catalogue lacks, left out of `element`, `empty` and `unknown` ·
    combination: [2, n] of the first n `combinations`, each a product row and JSON text; what came after
    `MAX_COMBINATIONS` others is not in it · rate_of: the events that count as a click, those whose rate the run learns.
    """

    until: int
    product: Whole
    element: Whole
    empty: Whole
    unknown: Whole
    products_unknown: Whole
    flows: dict[tuple[int, str], Flow]
    combination: Whole
    combinations: list[tuple[int, str]]
    rate_of: str

    @classmethod
    def nothing(cls, catalogue: Catalogue, rate_of: str = CLICKS) -> Counts:
        slots = np.zeros((2, catalogue.num_slots), dtype=np.int64)
        return cls(
            0,
            np.zeros((2, catalogue.num_products), dtype=np.int64),
            np.zeros((2, catalogue.num_elements), dtype=np.int64),
            slots,
            slots.copy(),
            np.zeros(2, dtype=np.int64),
            {},
            np.zeros((2, 0), dtype=np.int64),
            [],
            rate_of,
        )

    def copy(self) -> Counts:
        return Counts(
            self.until,
            self.product.copy(),
            self.element.copy(),
            self.empty.copy(),
            self.unknown.copy(),
            self.products_unknown.copy(),
            dict(self.flows),
            self.combination.copy(),
            self.combinations,
            self.rate_of,
        )

    def on(self, catalogue: Catalogue) -> Counts:
        """The same counts on a catalogue that may have grown at its end."""
        more_products = catalogue.num_products - self.product.shape[1]
        more_elements = catalogue.num_elements - self.element.shape[1]
        if not more_products and not more_elements:
            return self
        return replace(
            self,
            product=np.pad(self.product, ((0, 0), (0, more_products))),
            element=np.pad(self.element, ((0, 0), (0, more_elements))),
        )

    def policy(self, name: str) -> Flow:
        """Everything a policy has shown."""
        return sum((flow for (_, policy), flow in self.flows.items() if policy == name), Flow())

    @property
    def total(self) -> Flow:
        return sum(self.flows.values(), Flow())


@dataclass(frozen=True)
class ShownDecision:
    """A row of the log that was shown. combination: JSON text."""

    decided_at: int
    product_id: str
    combination: str
    policy: str
    propensity: float | None
    clicked: bool

    @property
    def flow(self) -> Flow:
        """The row as a flow of one impression."""
        known = self.propensity or 1.0
        return Flow(1, int(self.clicked), int(known < 0.5), -math.log(known))


class Tally:
    """Keeps `counts` of a service up to date, in a thread of its own or by `refresh`. is_complete: whether the log was
    read to its end once."""

    counts: Counts
    is_complete: bool
    _settled: Counts
    _catalogue: Catalogue
    _rows: dict[str, list[int]]
    _places: dict[tuple[int, str], int]

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="genco-tally", daemon=True)
        self._begin()

    def counts_on(self, catalogue: Catalogue) -> Counts:
        """What was counted last, for pages that read `catalogue`; nothing where another run is served meanwhile."""
        is_same = self._service.live.version.root == self._root
        return self.counts.on(catalogue) if is_same else self._nothing(catalogue)

    def _nothing(self, catalogue: Catalogue) -> Counts:
        return Counts.nothing(catalogue, self._service.model.optimizer.meta.reward)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> Counts:
        """Count up to now. After a start or another catalogue this reads the whole log."""
        service = self._service
        if service.live.version.root != self._root:
            self._begin()
        catalogue = service.model.catalogue
        if catalogue is not self._catalogue:
            self._catalogue, self._rows, self._settled = catalogue, {}, self._settled.on(catalogue)
        now = service.clock.now()
        settled_to = now - service.config.reward_window_us - SETTLE_US
        with service.engine.connect() as connection:
            for rows, reached in _chunks(connection, self._settled.until, settled_to, self._settled.rate_of):
                self._settled = self._added(self._settled, rows, reached)
                if self._stop.is_set():
                    return self.counts
            self._settled = _rolled_up(self._settled, now)
            found = self._settled
            for rows, reached in _chunks(connection, self._settled.until, now, self._settled.rate_of):
                found = self._added(found, rows, reached)
        self.counts, self.is_complete = found, True
        return found

    def _run(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            started = time.perf_counter()
            try:
                self.refresh()
            except SQLAlchemyError:
                log.exception("the log could not be counted")
            wait = max(REFRESH_SECONDS, REST * (time.perf_counter() - started))

    def _begin(self) -> None:
        """Start from nothing on the catalogue that is served now."""
        self._root = self._service.live.version.root
        catalogue = self._service.model.catalogue
        self._catalogue = catalogue
        self._settled = self._nothing(catalogue)
        self._rows, self._places = {}, {}
        self.counts = self._settled
        self.is_complete = False

    def _added(self, counts: Counts, rows: list[ShownDecision], until: int) -> Counts:
        """`counts` and the rows, up to `until`."""
        if not rows:
            return replace(counts, until=until)
        products, num_slots = self._catalogue.product_rows, self._catalogue.num_slots
        found = counts.copy()
        known: list[tuple[int, list[int], bool, int]] = []
        for row in rows:
            key = row.decided_at - row.decided_at % PERIODS[0][1], row.policy
            found.flows[key] = found.flows.get(key, Flow()) + row.flow
            at = products.get(row.product_id)
            if at is None:
                found.products_unknown[:] += np.array([1, int(row.clicked)])
            else:
                known.append((at, self._elements(row.combination), row.clicked, self._place(at, row.combination)))
        more = len(found.combinations) - found.combination.shape[1]
        found = replace(found, until=until, combination=np.pad(found.combination, ((0, 0), (0, more))))
        if known:
            clicked = np.array([row[2] for row in known])
            product = np.array([row[0] for row in known])
            shown = np.array([row[1] for row in known]).reshape(len(known), num_slots)
            place = np.array([row[3] for row in known])
            for i, chosen in enumerate((np.ones(len(known), dtype=bool), clicked)):
                np.add.at(found.product[i], product[chosen], 1)
                np.add.at(found.combination[i], place[chosen & (place >= 0)], 1)
                part = shown[chosen]
                np.add.at(found.element[i], part[part >= 0], 1)
                found.empty[i] += (part == -1).sum(axis=0)
                found.unknown[i] += (part == -2).sum(axis=0)
        return found

    def _place(self, product: int, combination: str) -> int:
        """Where a combination is counted, -1 = nowhere."""
        found = self._places.get((product, combination))
        if found is None:
            if len(self._places) >= MAX_COMBINATIONS:
                return -1
            found = self._places[product, combination] = len(self._places)
            self._settled.combinations.append((product, combination))
        return found

    def _elements(self, combination: str) -> list[int]:
        """Element rows of a combination, -1 = empty, -2 = not in the catalogue."""
        found = self._rows.get(combination)
        if found is None:
            rows, num_slots = self._catalogue.element_rows, self._catalogue.num_slots
            ids = (json.loads(combination) + [""] * num_slots)[:num_slots]
            found = [-1 if name is None else rows.get(name, -2) for name in ids]
            if len(self._rows) < 100_000:
                self._rows[combination] = found
        return found


def _rolled_up(counts: Counts, now: int) -> Counts:
    """Old periods merged into longer ones."""
    flows: dict[tuple[int, str], Flow] = {}
    for (start, policy), flow in counts.flows.items():
        length = next((length for age, length in PERIODS if now - start <= age), HOUR)
        key = start - start % length, policy
        flows[key] = flows.get(key, Flow()) + flow
    return replace(counts, flows=flows)


def _chunks(connection: Connection, start: int, stop: int, rate_of: str) -> Iterator[tuple[list[ShownDecision], int]]:
    """Shown decisions with start <= decided_at < stop in order of time, about `CHUNK` at once, at least one chunk, each
    with the time it reaches to."""
    while True:
        bound = select(decisions.c.decided_at).where(decisions.c.decided_at >= start, decisions.c.decided_at < stop)
        last = connection.execute(bound.order_by(decisions.c.decided_at).offset(CHUNK).limit(1)).scalar()
        reached = max(start, stop) if last is None or last <= start else last
        yield _shown(connection, start, reached, rate_of), reached
        if reached >= stop:
            return
        start = reached


def _shown(connection: Connection, start: int, stop: int, rate_of: str) -> list[ShownDecision]:
    clicked = events.c.kind == CLICK
    if rate_of == CONVERSIONS:  # one that takes money back is none, as in `joiner.worth`
        clicked = and_(events.c.kind == CONVERSION, events.c.value >= 0)
    inside = and_(decisions.c.decided_at >= start, decisions.c.decided_at < stop)
    by_decision = (
        select(
            events.c.event_id,
            func.max(case((events.c.kind.in_(SHOWN), 1), else_=0)).label("shown"),
            func.max(case((clicked, 1), else_=0)).label("clicked"),
        )
        .select_from(events.join(decisions, decisions.c.event_id == events.c.event_id))
        .where(inside, events.c.late == false())
        .group_by(events.c.event_id)
        .subquery()
    )
    query = (
        select(
            decisions.c.decided_at,
            decisions.c.product_id,
            decisions.c.combination,
            decisions.c.policy,
            decisions.c.propensity,
            by_decision.c.clicked,
        )
        .select_from(decisions.outerjoin(by_decision, by_decision.c.event_id == decisions.c.event_id))
        .where(inside, or_(decisions.c.activated == true(), by_decision.c.shown == 1))
    )
    return [
        ShownDecision(at, product, combination, policy, propensity, bool(clicked))
        for at, product, combination, policy, propensity, clicked in connection.execute(query)
    ]
