"""One product: its best cards explained, and a card put together by hand."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from genco.drawings.cards import Card, card
from genco.drawings.plots import interval_bar
from genco.drawings.reasons import reasons
from genco.drawings.waterfall import described
from genco.drawings.words import element_name
from genco.evaluation.shown_combinations import ShownCombination
from genco.studio.access import studio_of
from genco.studio.pages.pictures import PictureLinks
from genco.studio.pages.twins import page
from genco.studio.queries.product import ByHand, ProductPage, by_hand, product_page

router = APIRouter()


def _card(rank: int, shown: ShownCombination) -> tuple[Card, list[str], str]:
    """The card, why it scores so, and its sum in words."""
    return card(rank, shown, PictureLinks()), reasons(shown), described(shown)


def _drawn_page(shown: ProductPage) -> dict[str, Any]:
    cards = () if shown.shown is None else shown.shown.combinations
    names = {entry.element.element_id: element_name(entry.element) for entry in shown.elements}
    return {
        "cards": [_card(rank, found) for rank, found in enumerate(cards, 1)],
        "by_hand": shown.by_hand,
        "hand_card": None if shown.by_hand is None else _card(0, shown.by_hand.combination),
        "context": {column.name: column.chosen for column in shown.context},
        "replace_name": names.get(shown.replace_first),
        "pictures": PictureLinks(),
        "element_name": element_name,
        "interval_bar": interval_bar,
        "reach": max((abs(end) for row in shown.elements for end in (row.ci_low, row.ci_high)), default=1.0),
    }


def _drawn_hand(shown: ByHand) -> dict[str, Any]:
    return {"by_hand": shown, "hand_card": _card(0, shown.combination), "context": shown.context}


@page(router, "/product", "product.html.j2", _drawn_page)
def show(request: Request, id: str) -> ProductPage:
    """A product in the context of `context.NAME`, with the elements of `slot.INDEX` by hand."""
    return product_page(studio_of(request), id, *asked_of(request))


@page(router, "/product/by-hand", "by_hand.html.j2", _drawn_hand)
def switch(request: Request, id: str) -> ByHand:
    """The card put together by hand, alone."""
    return by_hand(studio_of(request), id, *asked_of(request))


def asked_of(request: Request) -> tuple[dict[str, str], dict[int, str]]:
    """Context and chosen elements of the query."""
    query = request.query_params
    context = {name.removeprefix("context."): value for name, value in query.items() if name.startswith("context.")}
    slots = {name.removeprefix("slot."): value for name, value in query.items() if name.startswith("slot.")}
    return context, {int(slot): value for slot, value in slots.items() if slot.isdecimal() and len(slot) < 4}
