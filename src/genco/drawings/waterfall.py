"""A card's score as a waterfall: from the product's appeal, slot by slot, to the predicted click rate."""

from __future__ import annotations

from markupsafe import Markup

from genco.drawings.svg import fitted, line, rectangle, svg, text
from genco.drawings.words import clean, rate, rounded_to_sum, signed
from genco.evaluation.shown_combinations import ShownCombination

WIDTH, LEFT, RIGHT = 340, 92, 286
ROW, BAR = 27, 8
Bars = list[tuple[str, list[tuple[str, float]]]]


def waterfall(card: ShownCombination) -> Markup:
    """Own effects are full bars, interactions lighter ones under them; blue helps, orange hurts."""
    rows = _bars(card)
    reached = [0.0]
    for _, bars in rows:
        for _, value in bars:
            reached.append(reached[-1] + value)
    low, high = min(reached), max(reached)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return LEFT + 4 + (value - low) / span * (RIGHT - LEFT - 8)

    height = (len(rows) + 2) * ROW + 4
    parts = [
        text(0, 15, "average card", "label"),
        text(WIDTH, 15, signed(card.appeal), "figure", "end"),
        line(x(0), 4, x(0), height - 4, "axis"),
    ]
    at = 0.0
    for i, (name, bars) in enumerate(rows):
        top = (i + 1) * ROW
        parts.append(text(0, top + 17, fitted(clean(name), 15), "label"))
        for j, (kind, value) in enumerate(bars):
            y = top + 4 + j * (BAR + 3)
            colour = "help" if value >= 0 else "hurt"
            parts.append(rectangle(x(at), y, x(at + value) - x(at), BAR, colour, 1.0 if kind == "own" else 0.5))
            parts.append(text(WIDTH, y + 8, signed(value), "figure" if kind == "own" else "figure soft", "end"))
            at += value
    top = (len(rows) + 1) * ROW
    parts.append(text(0, top + 15, "predicted", "label strong"))
    parts.append(rectangle(x(0), top + 5, x(at) - x(0), 12, "total"))
    parts.append(text(WIDTH, top + 15, signed(card.logit), "figure strong", "end"))
    return svg(WIDTH, height, described(card), parts, "waterfall")


def _bars(card: ShownCombination) -> Bars:
    """Rows of the waterfall: name and its parts."""
    rows: Bars = []
    for step in card.steps:
        parts = [("own", step.own), ("interaction", step.interaction + step.residual)]
        rows.append((step.slot, parts))
    if abs(card.calibration) >= 0.005:
        rows.append(("calibration", [("own", card.calibration)]))
    return rows


def described(card: ShownCombination) -> str:
    """The waterfall in words."""
    slots = [
        f"{clean(step.slot)} {signed(step.own)} own and {signed(step.interaction + step.residual)} interaction"
        for step in card.steps
    ]
    return (
        f"From {signed(card.appeal)}, the average card: {', '.join(slots)}, calibration {signed(card.calibration)}; "
        f"together {signed(card.logit)}, a probability of {rate(card.click_probability)}."
    )


def exact_sum(card: ShownCombination) -> str:
    """The sum behind the waterfall, in figures that add up as printed."""
    parts = [
        card.appeal,
        sum(step.own for step in card.steps),
        sum(step.interaction for step in card.steps),
        sum(step.residual for step in card.steps),
        card.calibration,
    ]
    names = ["average card", "own", "interaction", "residual", "calibration"]
    figures = rounded_to_sum(parts, card.logit)
    said = [
        f"{name} {signed(figure, 3)}"
        for figure, name in zip(figures, names, strict=True)
        if figure or name in names[:3]
    ]
    return f"{', '.join(said)} = {signed(round(card.logit, 3), 3)} logits"
