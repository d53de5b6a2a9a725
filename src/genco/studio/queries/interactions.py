"""Which elements of a product help each other and which clash, with how often they were shown together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genco.drawings.words import certainty, pair_sentence
from genco.errors import RuleError
from genco.evaluation.interactions import (
    SMALLEST_EFFECT,
    HeatMap,
    PairEffect,
    heat_map,
    heat_map_of,
    pair_effects,
)
from genco.policies.generative import Request
from genco.studio.queries.combinations import combination_rows
from genco.studio.queries.context import ContextColumn, context_columns
from genco.studio.queries.product import known_product, wanted_request
from genco.studio.queries.products import ProductRow, product_row
from genco.studio.studio import Studio
from genco.studio.view import View

NUM_PAIRS = 10
Together = list[tuple[frozenset[str | None], int, int]]


@dataclass(frozen=True)
class ShownPair:
    """A pair in words. doubt: "" where the interval leaves no doubt of the sign · impressions, clicks: of combinations
    that show both."""

    words: str
    doubt: str
    pair: PairEffect
    impressions: int
    clicks: int


@dataclass(frozen=True)
class SlotPair:
    """Two slots whose pairs can be drawn. value: as in a link."""

    value: str
    rows: str
    columns: str


@dataclass(frozen=True)
class Interactions:
    """One product in one context.

    heat: effects in logits, None = forbidden · shown: impressions by row and column of the heat map · slots: what is
    drawn, "" = nothing · nothing: why there is nothing to say, "" where there is · rate_of: the events that
    clicks are of.
    """

    until: int
    rate_of: str
    product: ProductRow
    context: tuple[ContextColumn, ...]
    slot_pairs: tuple[SlotPair, ...]
    slots: str
    heat: HeatMap | None
    shown: tuple[tuple[int, ...], ...]
    helping: tuple[ShownPair, ...]
    clashing: tuple[ShownPair, ...]
    nothing: str


def interactions(studio: Studio, product_id: str, context: Mapping[str, str], slots: str) -> Interactions:
    """product_id: "" = the one with most traffic · context: by column · slots: of `SlotPair.value`, "" = those whose
    pairs matter most. Raises `ApiError` 404, 422."""
    view = studio.view()
    optimizer = view.optimizer
    row = known_product(optimizer, product_id) if product_id else int(view.counts.product[0].argmax())
    wanted = wanted_request(optimizer, row, context)
    pairs: list[ShownPair] = []
    choices: tuple[SlotPair, ...] = ()
    heat, nothing = None, ""
    together = _together(view, row)
    try:
        request = optimizer.policy.request(row, wanted.context)
        choices = _choices(view, request)
        heat = _heat(view, request, slots if slots in {choice.value for choice in choices} else "")
        pairs = [_shown(pair, together) for pair in pair_effects(optimizer, request, NUM_PAIRS)]
    except RuleError as error:
        nothing = str(error)
    drawn = "" if heat is None else _value(view, heat)
    return Interactions(
        until=view.counts.until,
        rate_of=view.counts.rate_of,
        product=product_row(view.index, view.counts, row),
        context=context_columns(optimizer, context),
        slot_pairs=choices,
        slots=drawn,
        heat=heat,
        shown=() if heat is None else _counts(heat, together),
        helping=tuple(pair for pair in pairs if pair.pair.effect >= SMALLEST_EFFECT),
        clashing=tuple(pair for pair in pairs if pair.pair.effect <= -SMALLEST_EFFECT),
        nothing=nothing,
    )


def _choices(view: View, request: Request) -> tuple[SlotPair, ...]:
    names = view.optimizer.slot_names
    sizes = request.space.sizes
    return tuple(
        SlotPair(f"{i}-{j}", names[i], names[j])
        for i, j in sorted(request.tables.bilinear)
        if min(sizes[i], sizes[j]) > 1
    )


def _heat(view: View, request: Request, slots: str) -> HeatMap | None:
    shown = view.counts.element[0].astype(np.float64)
    by_slot = np.broadcast_to(shown, (request.space.num_slots, len(shown)))
    if not slots:
        return heat_map(view.optimizer, request, by_slot)
    i, j = (int(part) for part in slots.split("-"))
    return heat_map_of(view.optimizer, request, i, j, by_slot)


def _value(view: View, heat: HeatMap) -> str:
    names = view.optimizer.slot_names
    return f"{names.index(heat.row_slot)}-{names.index(heat.column_slot)}"


def _together(view: View, product: int) -> Together:
    """Elements, impressions and clicks of every combination of the product that was shown."""
    counts = view.counts
    return [
        (frozenset(json.loads(counts.combinations[place][1])), *counts.combination[:, place].tolist())
        for place in combination_rows(counts, product).tolist()
    ]


def _shown(pair: PairEffect, together: Together) -> ShownPair:
    both = {pair.first.element_id, pair.second.element_id}
    found = [(impressions, clicks) for elements, impressions, clicks in together if both <= elements]
    return ShownPair(
        pair_sentence(pair), certainty(pair), pair, sum(n for n, _ in found), sum(clicks for _, clicks in found)
    )


def _counts(heat: HeatMap, together: Together) -> tuple[tuple[int, ...], ...]:
    def count(first: str | None, second: str | None) -> int:
        return sum(n for elements, n, _ in together if first in elements and second in elements)

    return tuple(tuple(count(row.element_id, column.element_id) for column in heat.columns) for row in heat.rows)
