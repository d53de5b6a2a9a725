"""The list of products: searched, filtered, sorted, one page of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.evaluation.element_labels import MIN_IMPRESSIONS
from genco.studio.catalogue_index import CatalogueIndex
from genco.studio.queries.paging import Paging, paging, rates, sorted_rows
from genco.studio.studio import Studio
from genco.studio.tally import Counts

COLD, LEARNING, SETTLED = "cold", "learning", "settled"
STATES = (COLD, LEARNING, SETTLED)
STATE_RULES = {
    COLD: "Not shown yet by this service: the model goes by content and features alone.",
    LEARNING: f"Shown less than {MIN_IMPRESSIONS} times for each element that its largest slot may show.",
    SETTLED: f"Shown at least {MIN_IMPRESSIONS} times for each element that its largest slot may show.",
}
SORTS = ("impressions", "clicks", "rate", "product_id")
PAGE_SIZE = 50


@dataclass(frozen=True)
class ProductRow:
    """One product. name: a text of it, None where its elements have none · columns: of the catalogue, texts first ·
    settled_at: impressions from which it counts as settled."""

    product_id: str
    name: str | None
    columns: dict[str, str]
    state: str
    impressions: int
    clicks: int
    rate: float | None
    settled_at: int


@dataclass(frozen=True)
class Products:
    """search, state, sort, descending: as asked · states: products in each state among those found by `search` ·
    rate_of: the events that clicks and rates are of."""

    until: int
    rate_of: str
    search: str
    state: str
    sort: str
    descending: bool
    states: dict[str, int]
    paging: Paging
    rows: tuple[ProductRow, ...]


def products(studio: Studio, search: str, state: str, sort: str, descending: bool, page: int) -> Products:
    """One page of the products. state: "" = all · sort: of `SORTS`."""
    view = studio.view()
    counts, index = view.counts, view.index
    num_products = index.catalogue.num_products
    states = product_states(counts, index)
    found = index.find_products(search) if search else np.ones(num_products, dtype=bool)
    by_state = np.bincount(states[found], minlength=len(STATES))
    if state:
        found &= states == STATES.index(state)
    rows: NDArray[np.integer] = np.flatnonzero(found)
    place = paging(len(rows), page, PAGE_SIZE)
    if sort == "product_id":
        rows = rows[np.argsort(index.catalogue.products["product_id"].cast(str).to_numpy()[rows].astype(str))]
        rows = rows[::-1] if descending else rows
    else:
        rows = sorted_rows(rows, _values(counts, sort), descending)
    shown = rows[place.first : place.first + place.size].tolist()
    return Products(
        counts.until,
        counts.rate_of,
        search,
        state,
        sort,
        descending,
        dict(zip(STATES, by_state.tolist(), strict=True)),
        place,
        tuple(product_row(index, counts, row) for row in shown),
    )


def product_states(counts: Counts, index: CatalogueIndex) -> NDArray[np.int64]:
    """Index into `STATES` of every product."""
    shown = counts.product[0]
    return np.where(shown == 0, 0, np.where(shown < MIN_IMPRESSIONS * index.largest_pool, 1, 2))


def product_row(index: CatalogueIndex, counts: Counts, row: int) -> ProductRow:
    """What the list says of one product."""
    catalogue = index.catalogue
    impressions, clicks = (int(number) for number in counts.product[:, row])
    needed = int(MIN_IMPRESSIONS * index.largest_pool[row])
    values = catalogue.products.row(row, named=True)
    by_kind = sorted(values.items(), key=lambda pair: not isinstance(pair[1], str))
    return ProductRow(
        product_id=str(catalogue.products["product_id"][row]),
        name=product_name(index, counts, row),
        columns={name: _said(value) for name, value in by_kind if value is not None and name != "product_id"},
        state=STATES[0 if impressions == 0 else 1 if impressions < needed else 2],
        impressions=impressions,
        clicks=clicks,
        rate=clicks / impressions if impressions else None,
        settled_at=needed,
    )


def _said(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def product_name(index: CatalogueIndex, counts: Counts, row: int) -> str | None:
    """The text shown most in its first slot that shows texts, a title if there is one."""
    catalogue = index.catalogue
    if "text" not in catalogue.elements.columns:
        return None
    parts = sorted(range(len(catalogue.components)), key=lambda i: "title" not in catalogue.components[i].lower())
    for part in parts:
        members = catalogue.members(row, part)
        texts = catalogue.elements["text"].gather(members)
        usable = np.flatnonzero(texts.is_not_null().to_numpy() & catalogue.element_approved[members])
        if len(usable):
            return str(texts[int(usable[counts.element[0][members[usable]].argmax()])])
    return None


def _values(counts: Counts, sort: str) -> NDArray[np.number]:
    return rates(counts.product) if sort == "rate" else counts.product[SORTS.index(sort)]
