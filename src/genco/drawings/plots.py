"""Line charts, the calibration plot and the bar of one interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from genco.drawings.svg import circle, line, polyline, rectangle, svg, text, ticks
from genco.drawings.words import rate, whole
from genco.evaluation.report_data import CalibrationPoint

WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 330, 26, 178
MAX_POINTS = 400


def line_chart(xs: Sequence[float], ys: Sequence[float], x_name: str, y_name: str) -> Markup:
    """One curve; a single point is drawn as a dot. Raises `ValueError` where `xs` and `ys` differ in length."""
    points = sorted(zip(xs, ys, strict=True))
    points = points[:: max(1, len(points) // MAX_POINTS)]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x, y = scale(min(xs), max(xs), LEFT, RIGHT), scale(min(ys), max(ys), BOTTOM, TOP)
    parts = _axes(min(xs), max(xs), min(ys), max(ys), x_name, y_name)
    drawn = [(x(a), y(b)) for a, b in points]
    parts.append(polyline(drawn, "curve"))
    parts.append(circle(*drawn[-1], 3, "dot"))
    label = f"{y_name} over {x_name}: from {ys[0]:.4g} at {xs[0]:.4g} to {ys[-1]:.4g} at {xs[-1]:.4g}"
    return svg(WIDTH, HEIGHT, label, parts, "plot")


def calibration_plot(points: Sequence[CalibrationPoint]) -> Markup:
    """Predicted against observed rate, with 95% bars; on the diagonal the two agree."""
    top = max(max(point.high, point.predicted) for point in points) * 1.05
    x, y = scale(0, top, LEFT, RIGHT), scale(0, top, BOTTOM, TOP)
    parts = [
        *_axes(0, top, 0, top, "predicted rate", "observed rate", percent=True),
        line(x(0), y(0), x(top), y(top), "axis"),
    ]
    said = []
    for point in points:
        at = x(point.predicted)
        words = f"predicted {rate(point.predicted)}, observed {rate(point.observed)} of {whole(point.impressions)}"
        parts.append(line(at, y(point.low), at, y(point.high), "error"))
        parts.append(circle(at, y(point.observed), 4, "dot", words))
        said.append(words)
    return svg(WIDTH, HEIGHT, "Calibration by bin: " + "; ".join(said), parts, "plot")


def interval_bar(value: float, low: float, high: float, reach: float) -> Markup:
    """An estimate with its interval on an axis from -reach to reach, 0 in the middle."""
    x = scale(-reach, reach, 2, 98)

    def inside(at: float) -> float:
        return min(max(x(at), 2), 98)

    colour = "help" if low > 0 else "hurt" if high < 0 else "even"
    parts = [
        line(50, 1, 50, 15, "axis"),
        rectangle(inside(low), 6, inside(high) - inside(low), 4, colour, 0.45),
        circle(inside(value), 8, 3, colour),
    ]
    return Markup('<svg class="interval" viewBox="0 0 100 16" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )


def scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    """Maps [low, high] to [start, stop]; everything to `start` where low = high."""
    slope = (stop - start) / (high - low) if high > low else 0.0
    return lambda value: start + (value - low) * slope


def _axes(
    x_low: float, x_high: float, y_low: float, y_high: float, x_name: str, y_name: str, percent: bool = False
) -> list[Markup]:
    x, y = scale(x_low, x_high, LEFT, RIGHT), scale(y_low, y_high, BOTTOM, TOP)
    parts = [line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis")]
    y_ticks, x_ticks = ticks(y_low, y_high, 4), ticks(x_low, x_high, 5)
    for value in y_ticks:
        parts.append(line(LEFT, y(value), RIGHT, y(value), "grid"))
        parts.append(text(LEFT - 6, y(value) + 4, tick(value, y_ticks, percent), "figure", "end"))
    for value in x_ticks:
        parts.append(text(x(value), BOTTOM + 16, tick(value, x_ticks, percent), "figure", "middle"))
    parts.append(text((LEFT + RIGHT) / 2, HEIGHT - 6, x_name, "label", "middle"))
    parts.append(text(0, 11, y_name, "label"))
    return parts


def tick(value: float, all_ticks: Sequence[float], percent: bool = False) -> str:
    """A tick with as many decimals as tell it from its neighbours."""
    scale = 100 if percent else 1
    step = abs(all_ticks[1] - all_ticks[0]) * scale if len(all_ticks) > 1 else abs(value * scale) or 1.0
    decimals = 0
    while decimals < 6 and abs(round(step, decimals) - step) > 1e-6 * step:
        decimals += 1
    written = f"{value * scale:,.{decimals}f}".replace("-", "−")
    return f"{written}%" if percent else written
