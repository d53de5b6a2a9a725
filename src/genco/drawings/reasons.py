"""Why a card scores as it does, in words."""

from __future__ import annotations

from genco.drawings.words import clean, element_name, signed
from genco.evaluation.shown_combinations import ShownCombination, Step

SMALLEST = 0.005


def reasons(card: ShownCombination) -> list[str]:
    """What helps most by itself, what holds the card back, and what the elements do together; logits in brackets."""
    by_own = sorted(card.steps, key=lambda step: -step.own)
    said = []
    if by_own and by_own[0].own >= SMALLEST:
        said.append(f"{_named(by_own[0])} helps most by itself ({signed(by_own[0].own)}).")
    if by_own and by_own[-1].own <= -SMALLEST:
        said.append(f"{_named(by_own[-1])} holds it back ({signed(by_own[-1].own)}).")
    said.append(_together(card))
    return said


def _together(card: ShownCombination) -> str:
    parts = [step.interaction + step.residual for step in card.steps]
    total = sum(parts)
    if max(map(abs, parts), default=0.0) < SMALLEST:
        return "The elements neither help nor disturb each other."
    if abs(total) < SMALLEST:
        return "What the elements do to each other cancels out."
    if total > 0:
        best = card.steps[max(range(len(parts)), key=lambda i: parts[i])]
        return f"Together the elements help each other ({signed(total)}), most of all {_named(best, lower=True)}."
    worst = card.steps[min(range(len(parts)), key=lambda i: parts[i])]
    return f"Together the elements disturb each other ({signed(total)}), most of all {_named(worst, lower=True)}."


def _named(step: Step, lower: bool = False) -> str:
    name = element_name(step.element)
    if step.element.text:
        said = f"the {clean(step.slot)} {name}"
    else:
        said = f"{name} in {clean(step.slot)}" if step.element.element_id is not None else name
    return said if lower else said[0].upper() + said[1:]
