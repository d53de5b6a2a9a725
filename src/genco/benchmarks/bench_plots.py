"""Figures of benchmark folders as SVG files that stand alone: bars with whiskers, panels of curves with a legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genco.drawings.plots import scale, tick
from genco.drawings.svg import line, polygon, polyline, rectangle, svg, text, ticks

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1c2430 } .title { font-weight: 600; font-size: 13px }
.paper { fill: #fff } .grid { stroke: #d9dee5 } .axis { stroke: #6b7684 } .error { stroke: #1c2430; stroke-width: 1.5 }
.ours { fill: #0b7a75 } .peer { fill: #9aa7b6 } polyline { fill: none; stroke-width: 2 }
.c0 { stroke: #0b7a75; fill: #0b7a75 } .c1 { stroke: #d1622b; fill: #d1622b } .c2 { stroke: #3b62c4; fill: #3b62c4 }
.c3 { stroke: #a03a8c; fill: #a03a8c } .c4 { stroke: #7a6a12; fill: #7a6a12 } .c5 { stroke: #4a90a4; fill: #4a90a4 }
.c6 { stroke: #c23b4e; fill: #c23b4e } .c7 { stroke: #5d6673; fill: #5d6673 } polyline[class] { fill: none }
line[class^="c"] { stroke-width: 2 }
.dashed { stroke-dasharray: 5 3 } .band { stroke: none; fill-opacity: 0.18 } polyline.thick { stroke-width: 3.5 }
@media (prefers-color-scheme: dark) { text { fill: #e8ecf1 } .paper { fill: #14181d } .grid { stroke: #2e3640 }
.error { stroke: #e8ecf1 } }
"""
NUM_COLOURS = 8
LABEL, BAR, NUMBER, ROW, HEAD, FOOT = 210, 380, 110, 22, 30, 34
WIDTH, HEIGHT, LEFT, LEGEND, LINE = 860, 400, 64, 260, 18


@dataclass(frozen=True)
class Bar:
    """One bar. spread: half the whisker, None = unknown · ours: drawn in the colour of our policy."""

    label: str
    value: float
    spread: float | None = None
    ours: bool = False


@dataclass(frozen=True)
class Curve:
    """One curve. xs, ys: [point] · spread: [point] half the interval, a band for ours, a whisker at the right end for
    others; None = unknown · ours: drawn thick."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    spread: Sequence[float] | None = None
    ours: bool = False


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


def curves(panels: Sequence[tuple[str, Sequence[Curve]]], x_name: str, y_name: str) -> str:
    """Panels (title, curves) below each other, each with a legend in order of last values. A policy has one colour in
    all panels."""
    colour: dict[str, str] = {}
    for curve in (curve for _, lines in panels for curve in lines):
        number = len(colour)
        colour.setdefault(curve.label, f"c{number % NUM_COLOURS}" + " dashed" * (number >= NUM_COLOURS))
    parts: list[Markup] = []
    top = 0.0
    for title, lines in panels:
        lines = sorted(lines, key=lambda curve: -curve.ys[-1])
        parts += _panel(lines, title, x_name, y_name, top, colour)
        top += max(HEIGHT, HEAD + LINE * (len(lines) + 2))
    said = "; ".join(
        f"{title}: " + ", ".join(f"{c.label} {c.ys[-1]:.3f}" for c in sorted(lines, key=lambda c: -c.ys[-1]))
        for title, lines in panels
    )
    return _alone(WIDTH, top, f"{y_name} over {x_name}, last values. {said}", parts)


def _panel(
    lines: Sequence[Curve], title: str, x_name: str, y_name: str, top: float, colour: dict[str, str]
) -> list[Markup]:
    xs = [x for curve in lines for x in curve.xs]
    ys = [y + sign * half for c in lines for y, half in zip(c.ys, _spread(c), strict=True) for sign in (-1, 1)]
    right, bottom, upper = WIDTH - LEGEND, top + HEIGHT - 46, top + 44
    x, y = scale(min(xs), max(xs), LEFT, right), scale(min(ys), max(ys), bottom, upper)
    x_marks, y_marks = ticks(min(xs), max(xs), 6), ticks(min(ys), max(ys), 6)
    parts = [text(LEFT, top + 18, title, "title"), text(LEFT, top + 36, y_name)]
    parts += [line(LEFT, y(mark), right, y(mark), "grid") for mark in y_marks]
    parts += [text(LEFT - 8, y(mark) + 4, tick(mark, y_marks), "", "end") for mark in y_marks]
    parts += [text(x(mark), bottom + 18, tick(mark, x_marks), "", "middle") for mark in x_marks]
    parts += [line(LEFT, bottom, right, bottom, "axis"), text((LEFT + right) / 2, bottom + 38, x_name, "", "middle")]
    for number, curve in enumerate(lines):
        css, spread = colour[curve.label], _spread(curve)
        drawn = [(x(a), y(b)) for a, b in zip(curve.xs, curve.ys, strict=True)]
        if curve.ours:
            lower, higher = (
                [(x(a), y(b + sign * h)) for a, b, h in zip(curve.xs, curve.ys, spread, strict=True)]
                for sign in (-1, 1)
            )
            parts.append(polygon([*lower, *reversed(higher)], f"{css} band"))
        elif curve.spread is not None:
            at, value, half = right + 5 + 2.5 * number, curve.ys[-1], spread[-1]
            parts.append(line(at, y(value - half), at, y(value + half), css))
        parts.append(polyline(drawn, f"{css} thick" if curve.ours else css))
        row = upper + 10 + LINE * number
        parts.append(line(right + 46, row - 4, right + 62, row - 4, css))
        parts.append(text(right + 68, row, f"{curve.label} {curve.ys[-1]:.3f}"))
    return parts


def _spread(curve: Curve) -> Sequence[float]:
    return curve.spread if curve.spread is not None else [0.0] * len(curve.ys)


def _alone(width: float, height: float, label: str, parts: Sequence[Markup]) -> str:
    """The drawing as the text of a file: with name space, style and background."""
    style = Markup("<style>{}</style>").format(Markup(STYLE))
    drawn = svg(width, height, label, [style, rectangle(0, 0, width, height, "paper"), *parts], "plot", natural=True)
    return str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"
