"""The few SVG shapes our figures are made of. Colours are CSS classes, so one drawing serves light and dark."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

from markupsafe import Markup

Number = int | float


def svg(
    width: Number, height: Number, label: str, parts: Iterable[Markup], css: str = "", natural: bool = False
) -> Markup:
    """A drawing that fills its place, or keeps its `natural` size; `label` is what a screen reader says."""
    size = Markup(' width="{}" height="{}"').format(_n(width), _n(height)) if natural else Markup("")
    return Markup('<svg class="{}"{} viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        css, size, _n(width), _n(height), label, Markup("").join(parts)
    )


def text(x: Number, y: Number, content: str, css: str = "", anchor: str = "start", turn: Number = 0) -> Markup:
    """Text at its baseline; `anchor` is start, middle or end; `turn` in degrees, clockwise, around (x, y)."""
    transform = Markup(' transform="rotate({} {} {})"').format(_n(turn), _n(x), _n(y)) if turn else Markup("")
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}"{}>{}</text>').format(
        _n(x), _n(y), css, anchor, transform, content
    )


def rectangle(
    x: Number, y: Number, width: Number, height: Number, css: str, opacity: float = 1.0, title: str = ""
) -> Markup:
    """A filled rectangle; a negative width is drawn to the left of x. `title` shows on hover."""
    left, width = (x + width, -width) if width < 0 else (x, width)
    inside = Markup("<title>{}</title>").format(title) if title else Markup("")
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}" fill-opacity="{:.2f}">{}</rect>').format(
        _n(left), _n(y), _n(width), _n(height), css, opacity, inside
    )


def line(x1: Number, y1: Number, x2: Number, y2: Number, css: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(_n(x1), _n(y1), _n(x2), _n(y2), css)


def polyline(points: Iterable[tuple[Number, Number]], css: str) -> Markup:
    return Markup('<polyline points="{}" class="{}"/>').format(" ".join(f"{_n(x)},{_n(y)}" for x, y in points), css)


def polygon(points: Iterable[tuple[Number, Number]], css: str) -> Markup:
    return Markup('<polygon points="{}" class="{}"/>').format(" ".join(f"{_n(x)},{_n(y)}" for x, y in points), css)


def circle(x: Number, y: Number, radius: Number, css: str, title: str = "") -> Markup:
    inside = Markup("<title>{}</title>").format(title) if title else Markup("")
    return Markup('<circle cx="{}" cy="{}" r="{}" class="{}">{}</circle>').format(_n(x), _n(y), _n(radius), css, inside)


def image(x: Number, y: Number, size: Number, uri: str) -> Markup:
    """A square picture given as a data: URI."""
    return Markup('<image x="{}" y="{}" width="{}" height="{}" href="{}"/>').format(
        _n(x), _n(y), _n(size), _n(size), uri
    )


def ticks(low: float, high: float, num: int = 5) -> list[float]:
    """About `num` round numbers from `low` to `high`, at least one."""
    if not high > low:
        return [low]
    rough = (high - low) / max(num, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [first * step + i * step for i in range(int((high - first * step) / step + 1e-9) + 1)]


def fitted(content: str, cells: int) -> str:
    """`content` cut to at most `cells` cells of display, wide characters counting two, with an ellipsis if cut."""
    if cells_of(content) <= cells:
        return content
    kept, used = [], 1
    for character in content:
        used += _cells(character)
        if used > cells:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def cells_of(content: str) -> int:
    """Cells of display: wide characters count two, combining ones none."""
    return sum(_cells(character) for character in content)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _n(value: Number) -> str:
    return f"{value:.1f}".removesuffix(".0")
