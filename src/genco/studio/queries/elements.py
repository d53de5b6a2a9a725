"""The table of elements: searched, filtered, sorted, one page of it, with totals that add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.evaluation.element_labels import LABEL_RULES
from genco.evaluation.element_table import ElementRow, component_slots, element_rows
from genco.evaluation.report_data import average_context
from genco.serving.errors import ApiError
from genco.studio.catalogue_index import CatalogueIndex
from genco.studio.judged_labels import NAMES, UNJUDGED
from genco.studio.queries.paging import Paging, paging, rates, sorted_rows
from genco.studio.studio import Studio
from genco.studio.tally import Counts
from genco.studio.view import View

SORTS = ("impressions", "clicks", "rate")
PAGE_SIZE = 50


@dataclass(frozen=True)
class Total:
    """Impressions and clicks of one component over its slots.

    found: of the elements listed on all pages · rest: of all others · empty: places left empty · gone: of elements that
    the catalogue lacks. They add up to slots x impressions.
    """

    component: str
    num_slots: int
    num_found: int
    num_rest: int
    found: tuple[int, int]
    rest: tuple[int, int]
    empty: tuple[int, int]
    gone: tuple[int, int]


@dataclass(frozen=True)
class Elements:
    """product_id, search, component, status, label, sort, descending: as asked · impressions, clicks: shown decisions
    of products of the catalogue · labels: elements of each label that the other filters let through, and how many are
    not judged yet · judged_at: the filter's labels are as of then or later, None = the first round is not over ·
    totals: by component · rate_of: the events that clicks and rates are of."""

    until: int
    rate_of: str
    product_id: str
    search: str
    component: str
    status: str
    label: str
    sort: str
    descending: bool
    labels: dict[str, int]
    num_unjudged: int
    judged_at: int | None
    components: tuple[str, ...]
    impressions: int
    clicks: int
    paging: Paging
    rows: tuple[ElementRow, ...]
    totals: tuple[Total, ...]
    label_rules: dict[str, str]


def elements(
    studio: Studio,
    product_id: str,
    search: str,
    component: str,
    status: str,
    label: str,
    sort: str,
    descending: bool,
    page: int,
) -> Elements:
    """One page of the elements; filters that are "" let everything through. The filter goes by the labels that were
    judged last, rows show those of now.

    Raises `ApiError` 404 for an unknown product.
    """
    view = studio.view()
    counts, catalogue = view.counts, view.index.catalogue
    chosen, labels = _chosen(view.index, product_id, search, component, status), studio.labels.on(view)
    by_label, num_unjudged = labels.count(chosen), int((labels.codes[chosen] == UNJUDGED).sum())
    if label:
        chosen = chosen[labels.codes[chosen] == NAMES.index(label)]
    rows = sorted_rows(chosen, _values(counts, sort), descending)
    place = paging(len(rows), page, PAGE_SIZE)
    shown = rows[place.first : place.first + place.size].astype(np.int32)
    return Elements(
        until=counts.until,
        rate_of=counts.rate_of,
        product_id=product_id,
        search=search,
        component=component,
        status=status,
        label=label,
        sort=sort,
        descending=descending,
        labels=by_label,
        num_unjudged=num_unjudged,
        judged_at=labels.judged_at,
        components=catalogue.components,
        impressions=int(counts.product[0].sum()),
        clicks=int(counts.product[1].sum()),
        paging=place,
        rows=tuple(rows_of(view, shown, average_context(view.optimizer))),
        totals=_totals(catalogue, counts, chosen),
        label_rules=LABEL_RULES,
    )


def rows_of(view: View, shown: NDArray[np.int32], context: NDArray[np.float32]) -> list[ElementRow]:
    """Rows of elements with counts, labels and contributions in a context."""
    impressions, clicks = view.counts.element
    busiest = int(view.counts.product[0].argmax())
    return element_rows(view.optimizer, impressions, clicks, context, shown, busiest)


def _chosen(index: CatalogueIndex, product_id: str, search: str, component: str, status: str) -> NDArray[np.int32]:
    """Element rows that pass the filters, ascending; those of a component that no slot shows are left out."""
    catalogue = index.catalogue
    keep = catalogue.element_component >= 0
    if component:
        wanted = catalogue.components.index(component) if component in catalogue.components else -2
        keep &= catalogue.element_component == wanted
    if status:
        keep &= (catalogue.elements["status"] == status).to_numpy()
    if search:
        keep &= index.find_elements(search)
    if not product_id:
        return np.flatnonzero(keep).astype(np.int32)
    if product_id not in catalogue.product_rows:
        raise ApiError(404, "unknown_product", f"The catalogue has no product {product_id!r}.")
    mine = np.sort(index.of_product(catalogue.product_rows[product_id]))
    return mine[keep[mine]]


def _totals(catalogue: Catalogue, counts: Counts, chosen: NDArray[np.int32]) -> tuple[Total, ...]:
    component, num_parts = catalogue.element_component, len(catalogue.components)

    def by_part(rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Elements, impressions and clicks [3, component] of element rows."""
        parts = component[rows].astype(np.intp)
        sums = [np.bincount(parts, None if of is None else of[rows], num_parts) for of in (None, *counts.element)]
        return np.array(sums).astype(np.int64)

    shown_by_slots = np.flatnonzero(component >= 0)
    everything = by_part(shown_by_slots)
    found = everything if len(chosen) == len(shown_by_slots) else by_part(chosen)
    rest = everything - found
    return tuple(
        Total(
            component=name,
            num_slots=len(slots),
            num_found=int(found[0, part]),
            num_rest=int(rest[0, part]),
            found=(int(found[1, part]), int(found[2, part])),
            rest=(int(rest[1, part]), int(rest[2, part])),
            empty=_over(counts.empty, slots),
            gone=_over(counts.unknown, slots),
        )
        for part, (name, slots) in enumerate(zip(catalogue.components, component_slots(catalogue), strict=True))
    )


def _over(counts: NDArray[np.int64], slots: tuple[int, ...]) -> tuple[int, int]:
    impressions, clicks = counts[:, list(slots)].sum(axis=1)
    return int(impressions), int(clicks)


def _values(counts: Counts, sort: str) -> NDArray[np.number]:
    return rates(counts.element) if sort == "rate" else counts.element[SORTS.index(sort)]
