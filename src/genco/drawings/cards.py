"""A combination as the card a shopper would see: picture, title, lines and tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from genco.drawings.pictures import PictureSource, placeholder
from genco.drawings.waterfall import exact_sum, waterfall
from genco.drawings.words import clean, rate
from genco.evaluation.element_table import ElementView
from genco.evaluation.shown_combinations import ShownCombination

PICTURES = ("image", "picture", "photo", "video")
TITLES = ("title", "headline")
CHIPS = ("tag", "badge", "label", "button", "call_to_action")


@dataclass(frozen=True)
class Card:
    """What the template draws. picture: a data: URI, or `stand_in` is drawn, or neither where no slot shows pictures ·
    title: None where no element has a text · lines, chips: (slot, text or id, whether the place is left empty)."""

    rank: int
    picture: str | None
    stand_in: Markup | None
    title: str | None
    lines: tuple[tuple[str, str, bool], ...]
    chips: tuple[tuple[str, str, bool], ...]
    click_probability: str
    interval: str
    truth: str | None
    waterfall: Markup
    exact_sum: str


def card(rank: int, shown: ShownCombination, pictures: PictureSource) -> Card:
    """Arrange the elements: first picture, first title (else first text), tags, and all else as lines."""
    left = [(step.slot, step.element) for step in shown.steps]
    picture = _take(left, lambda element: bool(element.image_uri) or _is(element, PICTURES))
    title = _take(left, lambda element: bool(element.text) and _is(element, TITLES))
    title = title or _take(left, lambda element: bool(element.text) and not _is(element, CHIPS))
    uri = None if picture is None else pictures.uri(picture)
    named = [(clean(slot), _said(element), element.element_id is None, _is(element, CHIPS)) for slot, element in left]
    return Card(
        rank=rank,
        picture=uri,
        stand_in=None if picture is None or uri else placeholder(picture),
        title=None if title is None else clean(title.text or ""),
        lines=tuple((slot, said, empty) for slot, said, empty, chip in named if not chip),
        chips=tuple((slot, said, empty) for slot, said, empty, chip in named if chip),
        click_probability=rate(shown.click_probability),
        interval=f"{rate(shown.low)} to {rate(shown.high)}",
        truth=None if shown.truth is None else rate(shown.truth),
        waterfall=waterfall(shown),
        exact_sum=exact_sum(shown),
    )


def _take(left: list[tuple[str, ElementView]], wanted: Callable[[ElementView], bool]) -> ElementView | None:
    """Remove and return the first element that is `wanted`."""
    for i, (_, element) in enumerate(left):
        if wanted(element):
            return left.pop(i)[1]
    return None


def _is(element: ElementView, kinds: tuple[str, ...]) -> bool:
    return any(kind in element.component.lower() for kind in kinds)


def _said(element: ElementView) -> str:
    if element.element_id is None:
        return f"no {clean(element.component)}"
    return clean(element.text or element.element_id)
