"""The table of elements: what each was shown, what it earned, what it adds, and totals that add up to the log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY, Catalogue
from genco.evaluation.contributions import Contributions, contributions
from genco.evaluation.element_counts import ElementCounts
from genco.evaluation.element_labels import element_labels
from genco.policies.optimizer import Optimizer

MAX_ROWS = 200
NO_ELEMENT = np.array([EMPTY], dtype=np.int32)


@dataclass(frozen=True)
class ElementView:
    """What a reader sees of an element; element_id None = the place left empty."""

    element_id: str | None
    component: str
    text: str | None = None
    image_uri: str | None = None


@dataclass(frozen=True)
class ElementRow:
    """One row of the table. product_id None = shared by all products · contribution and its 95% interval in logits."""

    product_id: str | None
    element: ElementView
    status: str
    label: str
    impressions: float
    clicks: float
    ctr: float | None
    contribution: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class ComponentTotal:
    """Impressions and rewards of one component over its slots: shown in the table, in the rest, and left empty.

    shown + rest + empty = slots x impressions of the log.
    """

    component: str
    num_slots: int
    shown: tuple[float, float]
    rest: tuple[float, float]
    empty: tuple[float, float]
    num_shown: int
    num_rest: int


@dataclass(frozen=True)
class ElementTable:
    """rows: those shown · totals: by component, the rest included · num_products: products with a row of their own."""

    rows: tuple[ElementRow, ...]
    totals: tuple[ComponentTotal, ...]
    num_products: int


def element_view(catalogue: Catalogue, row: int, slot: int) -> ElementView:
    """The element in catalogue row `row` (-1 = empty) as shown in `slot`."""
    component = catalogue.slots[slot].component
    if row < 0:
        return ElementView(None, component)
    element_id, text, uri = catalogue.elements.select("element_id", "text", "image_uri").row(row)
    return ElementView(str(element_id), component, text, uri)


def element_table(
    optimizer: Optimizer, counts: ElementCounts, context: NDArray[np.float32], max_rows: int = MAX_ROWS
) -> ElementTable:
    """Rows of the products with most impressions, whole products while they fit in `max_rows`; totals of everything.

    context: [num_context], the average of the log. Elements of a component that no slot shows are left out. An element
    shared by all products is judged on the product with most impressions.
    """
    catalogue = optimizer.catalogue
    by_element = counts.impressions[:, :-1].sum(axis=0)
    order = _by_traffic(catalogue, counts, by_element)
    shown = order[: _whole_products(catalogue.element_product[order], max_rows)]
    rows = _rows(optimizer, counts, context, shown)
    owners = np.unique(catalogue.element_product[shown])
    return ElementTable(tuple(rows), _totals(catalogue, counts, shown), int((owners >= 0).sum()))


def _by_traffic(catalogue: Catalogue, counts: ElementCounts, by_element: NDArray[np.float64]) -> NDArray[np.int32]:
    """Element rows by impressions of their product, then product, component and own impressions."""
    rows = np.flatnonzero(catalogue.element_component >= 0).astype(np.int32)
    owner = catalogue.element_product[rows]
    traffic = np.append(counts.product_impressions, counts.total_impressions)[owner]
    order = np.lexsort((rows, -by_element[rows], catalogue.element_component[rows], owner, -traffic))
    return rows[order]


def _whole_products(owners: NDArray[np.int32], max_rows: int) -> int:
    """How many of the rows to show: whole products up to `max_rows`, or a part of the first."""
    if len(owners) <= max_rows:
        return len(owners)
    starts = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1) != 0)
    fitting = starts[(starts > 0) & (starts <= max_rows)]
    return int(fitting.max()) if len(fitting) else max_rows


def _rows(
    optimizer: Optimizer, counts: ElementCounts, context: NDArray[np.float32], shown: NDArray[np.int32]
) -> list[ElementRow]:
    impressions, clicks = counts.impressions[:, :-1].sum(axis=0), counts.reward[:, :-1].sum(axis=0)
    busiest = int(counts.product_impressions.argmax())
    return element_rows(optimizer, impressions, clicks, context, shown, busiest)


def element_rows(
    optimizer: Optimizer,
    impressions: NDArray[np.number],
    clicks: NDArray[np.number],
    context: NDArray[np.float32],
    shown: NDArray[np.int32],
    busiest: int,
) -> list[ElementRow]:
    """Rows of the elements `shown`, each labelled among all of its product and component.

    impressions, clicks: by element, over all slots of its component · context: [num_context] · busiest: the product
    that shared elements are judged on.
    """
    catalogue = optimizer.catalogue
    slots = component_slots(catalogue)
    found: dict[int, ElementRow] = {}
    wanted = set(shown.tolist())
    owner, component = catalogue.element_product[shown], catalogue.element_component[shown]
    for product, part in sorted(set(zip(owner.tolist(), component.tolist(), strict=True))):
        group = judged_group(optimizer, impressions, context, product, part, busiest)
        for i, row in enumerate(group.elements.tolist()):
            if row not in wanted:
                continue
            seen, clicked = float(impressions[row]), float(clicks[row])
            found[row] = ElementRow(
                product_id=None if product < 0 else str(catalogue.products["product_id"][product]),
                element=element_view(catalogue, row, slots[part][0]),
                status=group.status[i],
                label=group.labels[i],
                impressions=seen,
                clicks=clicked,
                ctr=clicked / seen if seen > 0 else None,
                contribution=float(group.credit.mean[i]),
                ci_low=float(group.credit.low[i]),
                ci_high=float(group.credit.high[i]),
            )
    return [found[row] for row in shown.tolist()]


@dataclass(frozen=True)
class JudgedGroup:
    """All elements of one product and component [element], with what they add and their labels."""

    elements: NDArray[np.int32]
    status: list[str]
    credit: Contributions
    labels: list[str]


def judged_group(
    optimizer: Optimizer,
    impressions: NDArray[np.number],
    context: NDArray[np.float32],
    product: int,
    part: int,
    busiest: int,
) -> JudgedGroup:
    """Judge the elements of a product row (-1 = shared, then on the product `busiest`) and component."""
    catalogue, bound = optimizer.catalogue, optimizer.policy.bound
    slots, elements = component_slots(catalogue)[part], catalogue.members(product, part)
    judged = product if product >= 0 else busiest
    credit = contributions(bound, judged, slots, context, elements)
    empty = None
    if not all(catalogue.slots[slot].required for slot in slots):
        empty = float(contributions(bound, judged, slots, context, NO_ELEMENT).mean[0])
    all_status = catalogue.elements["status"]
    status = [str(all_status[int(row)]) for row in elements]
    seen = impressions[elements].astype(np.float64)
    labels = element_labels(status, seen, credit.mean, credit.low, credit.high, empty)
    return JudgedGroup(elements, status, credit, labels)


def component_slots(catalogue: Catalogue) -> tuple[tuple[int, ...], ...]:
    """Slots of every component, in the order of `Catalogue.components`."""
    return tuple(
        tuple(i for i, slot in enumerate(catalogue.slots) if slot.component == name) for name in catalogue.components
    )


def _totals(catalogue: Catalogue, counts: ElementCounts, shown: NDArray[np.int32]) -> tuple[ComponentTotal, ...]:
    listed = np.zeros(catalogue.num_elements, dtype=bool)
    listed[shown] = True
    totals = []
    for part, slots in enumerate(component_slots(catalogue)):
        of_component = catalogue.element_component == part

        def both(mask: NDArray[np.bool_], slots: tuple[int, ...] = slots) -> tuple[float, float]:
            chosen = list(slots)
            return (
                float(counts.impressions[chosen][:, :-1][:, mask].sum()),
                float(counts.reward[chosen][:, :-1][:, mask].sum()),
            )

        totals.append(
            ComponentTotal(
                component=catalogue.components[part],
                num_slots=len(slots),
                shown=both(of_component & listed),
                rest=both(of_component & ~listed),
                empty=(float(counts.impressions[list(slots), -1].sum()), float(counts.reward[list(slots), -1].sum())),
                num_shown=int((of_component & listed).sum()),
                num_rest=int((of_component & ~listed).sum()),
            )
        )
    return tuple(totals)
