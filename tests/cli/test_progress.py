"""Progress goes to stderr: a line when a stage goes on, and one when it ends."""

from __future__ import annotations

import io
import sys

import pytest

from genco.cli.progress import Bars, Lines, describe, shown_progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_every_five_seconds_and_at_the_end_of_a_stage() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines({"generator": 100}, stream, clock)
    for second in range(12):
        clock.now = float(second)
        lines.update("reading", {"rows": 1000 * (second + 1), "of": 20_000})
    lines.update("generator", {"step": 1, "reward": 0.5, "entropy": 2.0, "seconds": 0.1})
    lines.close()
    lines.close()
    assert stream.getvalue().splitlines() == [
        "reading: 6,000 of 20,000 rows",
        "reading: 11,000 of 20,000 rows",
        "reading: 12,000 of 20,000 rows",
        "generator: 1 of 100 steps, reward 0.5, entropy 2",
    ]


def test_an_unknown_stage_shows_its_figures() -> None:
    assert describe("polishing", {"done": 3.0}, {}) == "done 3"


def test_elsewhere_than_on_a_terminal_lines_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress() as progress:
        progress("evaluate", {"request": 1, "of": 2})
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "evaluate: 1 of 2 requests\n")


def test_on_a_terminal_bars_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with shown_progress({"generator": 4}) as progress:
        assert isinstance(getattr(progress, "__self__", None), Bars)
        progress("reading", {"rows": 5, "of": 10})
        progress("generator", {"step": 2, "reward": 1.0, "entropy": 1.0})
    assert capsys.readouterr().out == ""


def test_a_complete_stage_is_shown_at_once() -> None:
    stream = io.StringIO()
    Lines({}, stream, Clock()).update("reading", {"rows": 5, "of": 5})
    assert stream.getvalue() == "reading: 5 of 5 rows\n"
