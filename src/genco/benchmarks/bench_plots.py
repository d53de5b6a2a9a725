"""Figures of benchmark folders as SVG files that stand alone: bars with whiskers, and several curves with a legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genco.drawings.plots import scale, tick
from genco.drawings.svg import circle, line, polyline, rectangle, svg, text, ticks

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1c2430 } .title { font-weight: 600; font-size: 13px }
.paper { fill: #fff } .grid { stroke: #d9dee5 } .axis { stroke: #6b7684 } .error { stroke: #1c2430; stroke-width: 1.5 }
.ours { fill: #0b7a75 } .peer { fill: #9aa7b6 } polyline { fill: none; stroke-width: 2 }
.c0 { stroke: #0b7a75; fill: #0b7a75 } .c1 { stroke: #d1622b; fill: #d1622b } .c2 { stroke: #3b62c4; fill: #3b62c4 }
.c3 { stroke: #a03a8c; fill: #a03a8c } .c4 { stroke: #7a6a12; fill: #7a6a12 } .c5 { stroke: #4a90a4; fill: #4a90a4 }
.c6 { stroke: #c23b4e; fill: #c23b4e } .c7 { stroke: #5d6673; fill: #5d6673 } polyline[class] { fill: none }
.dashed { stroke-dasharray: 5 3 }
@media (prefers-color-scheme: dark) { text { fill: #e8ecf1 } .paper { fill: #14181d } .grid { stroke: #2e3640 }
.error { stroke: #e8ecf1 } }
"""
NUM_COLOURS = 8
LABEL, BAR, NUMBER, ROW, HEAD, FOOT = 210, 380, 110, 22, 30, 34
WIDTH, HEIGHT, LEFT, LEGEND = 860, 400, 64, 260


@dataclass(frozen=True)
class Bar:
    """One bar. spread: half the whisker, None = unknown · ours: drawn in the colour of our policy."""

    label: str
    value: float
    spread: float | None = None
    ours: bool = False


@dataclass(frozen=True)
class Curve:
    """One curve. xs: [point] · ys: [point] · spread: half the whisker at the last point."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    spread: float | None = None


def bars(groups: Sequence[tuple[str, Sequence[Bar]]], x_name: str, digits: int = 3) -> str:
    """Horizontal bars from 0, one block of bars under each group's title, on one scale; figures at their right."""
    every = [bar for _, group in groups for bar in group]
    low = min(0.0, *(bar.value - (bar.spread or 0) for bar in every)) if every else 0.0
    high = max(0.0, *(bar.value + (bar.spread or 0) for bar in every)) if every else 1.0
    x = scale(low, high, LABEL, LABEL + BAR)
    bottom = HEAD * len(groups) + ROW * len(every)
    marks = ticks(low, high, 6)
    parts = [line(x(mark), 8, x(mark), bottom, "grid") for mark in marks]
    parts += [text(x(mark), bottom + 14, tick(mark, marks), "", "middle") for mark in marks]
    parts.append(text(LABEL + BAR / 2, bottom + 30, x_name, "", "middle"))
    y = 0
    for title, group in groups:
        parts.append(text(8, y + 20, title, "title"))
        y += HEAD
        for bar in group:
            parts += _bar(bar, x, y, digits)
            y += ROW
    said = "; ".join(
        f"{title}: " + ", ".join(f"{b.label} {b.value:.{digits}f}" for b in group) for title, group in groups
    )
    return _alone(LABEL + BAR + NUMBER, bottom + FOOT, f"{x_name}. {said}", parts)


def _bar(bar: Bar, x: Callable[[float], float], y: float, digits: int) -> list[Markup]:
    middle, end = y + ROW / 2, x(bar.value)
    drawn = [
        text(LABEL - 8, middle + 4, bar.label, "", "end"),
        rectangle(x(0.0), y + 3, end - x(0.0), ROW - 6, "ours" if bar.ours else "peer"),
    ]
    said = f"{bar.value:,.{digits}f}"
    if bar.spread is not None:
        low, high = x(bar.value - bar.spread), x(bar.value + bar.spread)
        drawn += [line(low, middle, high, middle, "error")]
        drawn += [line(at, middle - 4, at, middle + 4, "error") for at in (low, high)]
        said += f" ± {bar.spread:,.{digits}f}"
    return [*drawn, text(LABEL + BAR + 10, middle + 4, said)]


def curves(lines: Sequence[Curve], title: str, x_name: str, y_name: str) -> str:
    """Curves on one pair of axes, the legend in order of their last value; whiskers at the
    right end where the spread is known."""
    lines = sorted(lines, key=lambda curve: -curve.ys[-1])
    xs = [x for curve in lines for x in curve.xs]
    ys = [y for curve in lines for y in curve.ys]
    ys += [curve.ys[-1] + sign * (curve.spread or 0) for curve in lines for sign in (-1, 1)]
    right, bottom, top = WIDTH - LEGEND, HEIGHT - 46, 44
    x, y = scale(min(xs), max(xs), LEFT, right), scale(min(ys), max(ys), bottom, top)
    x_marks, y_marks = ticks(min(xs), max(xs), 6), ticks(min(ys), max(ys), 6)
    parts = [text(LEFT, 18, title, "title"), text(LEFT, 36, y_name), line(LEFT, bottom, right, bottom, "axis")]
    parts += [line(LEFT, y(mark), right, y(mark), "grid") for mark in y_marks]
    parts += [text(LEFT - 8, y(mark) + 4, tick(mark, y_marks), "", "end") for mark in y_marks]
    parts += [text(x(mark), bottom + 18, tick(mark, x_marks), "", "middle") for mark in x_marks]
    parts.append(text((LEFT + right) / 2, HEIGHT - 8, x_name, "", "middle"))
    for number, curve in enumerate(lines):
        css = f"c{number % NUM_COLOURS}" + (" dashed" if number >= NUM_COLOURS else "")
        drawn = [(x(a), y(b)) for a, b in zip(curve.xs, curve.ys, strict=True)]
        parts.append(polyline(drawn, css))
        if curve.spread is not None:
            at, value, half = right + 5 + 4 * number, curve.ys[-1], curve.spread
            parts.append(line(at, y(value - half), at, y(value + half), css))
        row = top + 10 + 18 * number
        parts.append(circle(right + 48, row - 4, 4, css))
        parts.append(text(right + 58, row, f"{curve.label} {curve.ys[-1]:.3g}"))
    said = ", ".join(f"{curve.label} {curve.ys[-1]:.3g}" for curve in lines)
    height = max(HEIGHT, top + 30 + 18 * len(lines))
    return _alone(WIDTH, height, f"{title}: {y_name} over {x_name}, last values {said}", parts)


def _alone(width: float, height: float, label: str, parts: Sequence[Markup]) -> str:
    """The drawing as the text of a file: with name space, style and background."""
    style = Markup("<style>{}</style>").format(Markup(STYLE))
    drawn = svg(width, height, label, [style, rectangle(0, 0, width, height, "paper"), *parts], "plot", natural=True)
    return str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"
