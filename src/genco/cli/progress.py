"""Progress of long work, on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 5.0
Progress = Callable[[str, Mapping[str, float]], None]


@dataclass(frozen=True)
class Stage:
    """How a stage is shown.

    count: key of what is done · total: key of how much there is, or that number · unit: of both · shown: further
    figures, key -> name.
    """

    count: str
    total: str | float | None
    unit: str
    shown: Mapping[str, str]


STAGES = {
    "simulate": Stage("rows", "of", "rows", {}),
    "reading": Stage("rows", "of", "rows", {}),
    "reward model": Stage("round", None, "rounds", {"log_likelihood": "log-likelihood"}),
    "generator": Stage("step", None, "steps", {"reward": "reward", "entropy": "entropy"}),
    "evaluate": Stage("request", "of", "requests", {}),
    "report": Stage("part", "of", "parts", {}),
    "bench": Stage("unit", "of", "units", {}),
}


@contextmanager
def shown_progress(totals: Mapping[str, float] | None = None) -> Iterator[Progress]:
    """A function `progress(stage, values)` that shows what it is told. totals: stage -> how much there is to do."""
    display = Bars(totals or {}) if sys.stderr.isatty() else Lines(totals or {}, sys.stderr)
    try:
        yield display.update
    finally:
        display.close()


class Lines:
    """A line when a stage has gone on for a while, and one when it ends."""

    def __init__(
        self, totals: Mapping[str, float], stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._totals, self._stream, self._clock = totals, stream, clock
        self._stage, self._pending, self._printed_at = "", "", clock()

    def update(self, stage: str, values: Mapping[str, float]) -> None:
        if stage != self._stage:
            self._flush()
            self._stage = stage
        self._pending = f"{stage}: {describe(stage, values, self._totals)}"
        done, total = amounts(stage, values, self._totals)
        complete = total is not None and done == total
        if complete or self._clock() - self._printed_at >= SECONDS_BETWEEN_LINES:
            self._flush()

    def close(self) -> None:
        self._flush()

    def _flush(self) -> None:
        if self._pending:
            print(self._pending, file=self._stream, flush=True)
            self._pending, self._printed_at = "", self._clock()


class Bars:
    """One bar per stage."""

    def __init__(self, totals: Mapping[str, float]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description:<13}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
        )
        self._totals = totals
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(*columns, console=Console(stderr=True))
        self._bars.start()

    def update(self, stage: str, values: Mapping[str, float]) -> None:
        if stage not in self._tasks:
            for earlier in self._tasks.values():
                self._finish(earlier)
            self._tasks[stage] = self._bars.add_task(stage, total=None, said="")
        done, total = amounts(stage, values, self._totals)
        said = describe(stage, values, self._totals)
        self._bars.update(self._tasks[stage], completed=done or 0, total=total, said=said)

    def close(self) -> None:
        self._bars.stop()

    def _finish(self, number: TaskID) -> None:
        task = next(task for task in self._bars.tasks if task.id == number)
        self._bars.update(task.id, total=task.completed or 1, completed=task.completed or 1)


def amounts(stage: str, values: Mapping[str, float], totals: Mapping[str, float]) -> tuple[float | None, float | None]:
    """How much is done, and of how much; None where that is not known."""
    known = STAGES.get(stage)
    if known is None:
        return None, None
    total = values.get(known.total) if isinstance(known.total, str) else known.total
    return values.get(known.count), totals.get(stage, total)


def describe(stage: str, values: Mapping[str, float], totals: Mapping[str, float]) -> str:
    """The stage's figures in words."""
    known = STAGES.get(stage)
    if known is None:
        return ", ".join(f"{name} {value:,.4g}" for name, value in values.items())
    done, total = amounts(stage, values, totals)
    parts = [] if done is None else [f"{done:,.0f}{'' if total is None else f' of {total:,.0f}'} {known.unit}"]
    parts += [f"{name} {values[key]:,.5g}" for key, name in known.shown.items() if key in values]
    return ", ".join(parts)
