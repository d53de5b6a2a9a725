"""Combinations that were shown, with what they earned; one page of them, and totals that add up."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.evaluation.wilson import wilson
from genco.studio.queries.element_names import name_of
from genco.studio.queries.paging import Paging, paging, sorted_rows
from genco.studio.studio import Studio
from genco.studio.tally import Counts

PAGE_SIZE = 50


@dataclass(frozen=True)
class SlotShown:
    """What stood in a slot. element_id: None = left empty."""

    slot: str
    element_id: str | None
    name: str


@dataclass(frozen=True)
class CombinationRow:
    """One combination of one product. low, high: 95% Wilson interval of its click rate · share: of the product's
    impressions."""

    product_id: str
    slots: tuple[SlotShown, ...]
    impressions: int
    clicks: int
    rate: float
    low: float
    high: float
    share: float


@dataclass(frozen=True)
class Part:
    """Impressions and clicks of a part of the whole."""

    impressions: int
    clicks: int


@dataclass(frozen=True)
class Combinations:
    """listed + others + rare + gone = total. is_known: whether the catalogue has the product asked for · listed: on
    this page · others: on other pages · rare: not counted one by one · gone: of products the catalogue lacks ·
    rate_of: the events that clicks and rates are of."""

    until: int
    rate_of: str
    product_id: str
    is_known: bool
    sort: str
    descending: bool
    paging: Paging
    rows: tuple[CombinationRow, ...]
    listed: Part
    others: Part
    rare: Part
    gone: Part
    total: Part


def combinations(studio: Studio, product_id: str, sort: str, descending: bool, page: int) -> Combinations:
    """One page. product_id: "" = all products · sort: impressions, clicks or rate."""
    view = studio.view()
    counts, catalogue = view.counts, view.optimizer.catalogue
    product = catalogue.product_rows.get(product_id)
    rows = combination_rows(counts, product if product_id else None, unknown=bool(product_id) and product is None)
    found = paging(len(rows), page, PAGE_SIZE)
    order = sorted_rows(rows, _values(counts, sort), descending)
    shown = order[found.first : found.first + found.size]
    gone = Part(*counts.products_unknown.tolist()) if not product_id else Part(0, 0)
    if not product_id:
        total = Part(counts.total.impressions, counts.total.clicks)
    else:
        total = Part(0, 0) if product is None else Part(*counts.product[:, product].tolist())
    all_rows, listed = _part(counts, rows), _part(counts, shown)
    return Combinations(
        until=counts.until,
        rate_of=counts.rate_of,
        product_id=product_id,
        is_known=not product_id or product is not None,
        sort=sort,
        descending=descending,
        paging=found,
        rows=tuple(_row(catalogue, counts, int(place)) for place in shown),
        listed=listed,
        others=Part(all_rows.impressions - listed.impressions, all_rows.clicks - listed.clicks),
        rare=Part(
            total.impressions - all_rows.impressions - gone.impressions, total.clicks - all_rows.clicks - gone.clicks
        ),
        gone=gone,
        total=total,
    )


def combination_rows(counts: Counts, product: int | None, unknown: bool = False) -> NDArray[np.int64]:
    """Places in `counts.combinations` that were shown, of one product or (None) of all."""
    if unknown:
        return np.zeros(0, dtype=np.int64)
    num = counts.combination.shape[1]
    shown = counts.combination[0] > 0
    if product is not None:
        owner = np.fromiter((row for row, _ in counts.combinations[:num]), dtype=np.int64, count=num)
        shown &= owner == product
    return np.flatnonzero(shown).astype(np.int64)


def _values(counts: Counts, sort: str) -> NDArray[np.float64]:
    impressions, clicks = counts.combination.astype(np.float64)
    by_name = {"impressions": impressions, "clicks": clicks, "rate": clicks / np.maximum(impressions, 1)}
    return np.asarray(by_name[sort])


def _part(counts: Counts, places: NDArray[np.integer]) -> Part:
    return Part(*counts.combination[:, places].sum(axis=1).tolist())


def _row(catalogue: Catalogue, counts: Counts, place: int) -> CombinationRow:
    product, text = counts.combinations[place]
    impressions, clicks = (int(number) for number in counts.combination[:, place])
    low, high = wilson(clicks, impressions)
    return CombinationRow(
        product_id=str(catalogue.products["product_id"][product]),
        slots=tuple(
            SlotShown(slot.name, element, name_of(catalogue, element))
            for slot, element in zip(catalogue.slots, json.loads(text), strict=False)
        ),
        impressions=impressions,
        clicks=clicks,
        rate=clicks / impressions,
        low=low,
        high=high,
        share=impressions / int(counts.product[0, product]),
    )
