"""The label of every element, for a filter over two million of them (ADR 0026).

An element that is not approved, one of few impressions and an only choice need no model: those labels are read off the
catalogue and the counts when a page asks. The others are judged by what they add, one product and component at a time,
busiest first, by a thread that rests between; a page reads what was judged last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import PENDING, Catalogue
from genco.evaluation.element_labels import LABEL_RULES, MIN_IMPRESSIONS
from genco.evaluation.element_table import component_slots, judged_group
from genco.evaluation.report_data import average_context
from genco.studio.view import View

log = logging.getLogger(__name__)
NAMES = ("", *LABEL_RULES)
BY_MODEL = ("LEARNING", "LOW", "GOOD", "BEST")
UNJUDGED = -1
ROUND_SECONDS = 2.0
WORK_SECONDS = 0.02
REST = 20  # as in `tally`: judging takes 5% of a core at most
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Labels:
    """codes: into `NAMES` by element, `UNJUDGED` = not judged yet · judged_at: microseconds; labels that need the model
    are as of then or later, None = the first round is not over."""

    codes: Codes
    judged_at: int | None

    def count(self, rows: NDArray[np.integer]) -> dict[str, int]:
        """How many of the element rows have each label."""
        found = np.bincount(self.codes[rows] + 1, minlength=len(NAMES) + 1)[2:]
        return dict(zip(LABEL_RULES, found.tolist(), strict=True))


@dataclass(frozen=True)
class _Judged:
    """codes: by element, filled in place while a round goes on · at: when the last whole round began."""

    root: str
    codes: Codes
    at: int | None


class JudgedLabels:
    """Judges in a thread of its own, or by `refresh`. view: what a page would read now."""

    def __init__(self, view: Callable[[], View], now: Callable[[], int]) -> None:
        self._view, self._now = view, now
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="genco-labels", daemon=True)
        self._judged = _Judged("", np.zeros(0, dtype=np.int8), None)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def on(self, view: View) -> Labels:
        """Labels of the elements of the view's catalogue."""
        codes, judged = plain_labels(view.optimizer.catalogue, view.counts.element[0]), self._judged
        if view.root != judged.root:
            return Labels(codes, None)
        open_ = np.flatnonzero(codes[: len(judged.codes)] == UNJUDGED)
        found = judged.codes[open_]
        of_now = np.isin(found, [NAMES.index(label) for label in BY_MODEL])  # others go by a status that has changed
        codes[open_] = np.where(of_now, found, UNJUDGED)
        return Labels(codes, judged.at)

    def refresh(self, pause: Callable[[float], bool] = lambda seconds: False) -> None:
        """One round over all that need the model. pause: called with the seconds worked, True = stop."""
        view, began = self._view(), self._now()
        optimizer, impressions = view.optimizer, view.counts.element[0]
        earlier = self._judged if view.root == self._judged.root else _Judged(view.root, self._judged.codes[:0], None)
        more = optimizer.catalogue.num_elements - len(earlier.codes)
        codes = np.pad(earlier.codes, (0, more), constant_values=UNJUDGED)
        self._judged = replace(earlier, codes=codes)
        context, busiest = average_context(optimizer), int(view.counts.product[0].argmax())
        started = time.perf_counter()
        for product, part in groups_to_judge(optimizer.catalogue, impressions):
            found = judged_group(optimizer, impressions, context, product, part, busiest)
            codes[found.elements] = [NAMES.index(label) for label in found.labels]
            worked = time.perf_counter() - started
            if worked > WORK_SECONDS:
                if pause(worked) or self._view().root != view.root:  # another run: begin again with that one
                    return
                started = time.perf_counter()
        self._judged = replace(self._judged, at=began)

    def _run(self) -> None:
        while not self._stop.wait(ROUND_SECONDS):
            try:
                self.refresh(lambda worked: self._stop.wait(REST * worked))
            except Exception:
                log.exception("elements could not be judged")


def plain_labels(catalogue: Catalogue, impressions: NDArray[np.integer]) -> Codes:
    """Codes by element of the labels that need no model, `UNJUDGED` for the rest."""
    approved = catalogue.element_approved & (catalogue.element_component >= 0)
    codes = np.where(approved, np.int8(UNJUDGED), np.int8(0))
    codes[(catalogue.elements["status"] == PENDING).to_numpy()] = NAMES.index("PENDING")
    alone = _only_choices(catalogue, approved)
    codes[approved & (impressions < MIN_IMPRESSIONS) & ~alone] = NAMES.index("LEARNING")
    codes[alone] = NAMES.index("GOOD")
    return codes


def groups_to_judge(catalogue: Catalogue, impressions: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Product row (-1 = shared) and component of the elements whose label needs the model, most impressions first."""
    rows = np.flatnonzero(plain_labels(catalogue, impressions) == UNJUDGED)
    keys, group = np.unique(_group(catalogue)[rows], return_inverse=True)
    traffic = np.bincount(group, impressions[rows], len(keys))
    num_parts = max(len(catalogue.components), 1)
    return [(int(key) // num_parts - 1, int(key) % num_parts) for key in keys[np.argsort(-traffic, kind="stable")]]


def _only_choices(catalogue: Catalogue, approved: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each element is approved, alone in its product and component, and no slot of it may stay empty."""
    groups = _group(catalogue)
    size = np.bincount(groups[approved], minlength=1)
    parts = component_slots(catalogue)
    is_required = np.array([all(catalogue.slots[slot].required for slot in slots) for slots in parts])
    alone = approved.copy()
    alone[approved] = (size[groups[approved]] == 1) & is_required[catalogue.element_component[approved]]
    return alone


def _group(catalogue: Catalogue) -> NDArray[np.int64]:
    """Number of each element's product and component; of a component that no slot shows meaningless."""
    num_parts = max(len(catalogue.components), 1)
    return (catalogue.element_product.astype(np.int64) + 1) * num_parts + catalogue.element_component
