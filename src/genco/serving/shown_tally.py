"""Counts of what was shown, kept as the log grows: reports read them instead of the log.

The outcome of a decision may change until its reward window is over. So counts of settled decisions are kept for good,
and those of the last window are read again when they are asked for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from genco.serving.errors import ApiError
from genco.serving.reports import ShownCombination, most_first, shown_combinations
from genco.serving.service import Service
from genco.serving.tables import decisions

log = logging.getLogger(__name__)
SETTLE_US = 2_000_000  # beyond the window, as in `learner`
CHUNK = 20_000
EVERY_SECONDS = 30.0
FRESH_SECONDS = 2.0
PATIENCE_SECONDS = 5.0
Totals = dict[str, dict[str, ShownCombination]]


@dataclass(frozen=True)
class ShownLog:
    """by_product: combinations of every product, by their JSON text · until: of decisions before this time."""

    by_product: Totals
    until: int

    def of(self, product_id: str | None = None) -> list[ShownCombination]:
        """Combinations of one product or of all, most impressions first."""
        chosen = self.by_product.values() if product_id is None else [self.by_product.get(product_id, {})]
        return most_first(row for found in chosen for row in found.values())


class ShownTally:
    """Counts in a thread of its own. Use `start` and `stop`; `now` counts up to now."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._settled: Totals = {}
        self._reached = 0
        self._latest: tuple[float, ShownLog] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="genco-shown", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def now(self) -> ShownLog:
        """Counts of a moment ago, at most `FRESH_SECONDS`. Raises `ApiError` 503 while the log is still read, after a
        start."""
        with self._lock:
            if self._latest is not None and time.monotonic() - self._latest[0] < FRESH_SECONDS:
                return self._latest[1]
            now = self._service.clock.now()
            until = time.monotonic() + PATIENCE_SECONDS
            while not self._settle(now):
                if time.monotonic() > until:
                    raise ApiError(503, "counting", "The log is still being counted after a start.", 5)
            with self._service.engine.connect() as connection:
                recent = shown_combinations(connection, self._reached, now)
            found = ShownLog(_sum(self._settled, recent), now)
            self._latest = time.monotonic(), found
            return found

    def _run(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            try:
                with self._lock:
                    done = self._settle(self._service.clock.now())
                wait = EVERY_SECONDS if done else 0.05
            except SQLAlchemyError:
                log.exception("the log could not be counted")
                wait = EVERY_SECONDS

    def _settle(self, now: int) -> bool:
        """Count about `CHUNK` settled decisions more; True where all of them are."""
        until = now - self._service.config.reward_window_us - SETTLE_US
        if self._reached >= until:
            return True
        with self._service.engine.connect() as connection:
            stop = _end_of_chunk(connection, self._reached, until)
            self._settled = _sum(self._settled, shown_combinations(connection, self._reached, stop))
        self._reached = stop
        return stop >= until


def _sum(totals: Totals, rows: Sequence[ShownCombination]) -> Totals:
    """Both added up; `totals` stays as it is, for reports may be reading it."""
    added = dict(totals)
    for product_id in {row.product_id for row in rows}:
        added[product_id] = dict(totals.get(product_id, {}))
    for row in rows:
        mine = added[row.product_id]
        mine[row.text] = mine[row.text] + row if row.text in mine else row
    return added


def _end_of_chunk(connection: Connection, start: int, until: int) -> int:
    """A time up to which about `CHUNK` decisions lie."""
    at = decisions.c.decided_at
    last = connection.execute(select(at).where(at >= start, at < until).order_by(at).offset(CHUNK).limit(1)).scalar()
    return until if last is None or last <= start else int(last)
