"""One product in one context: its best combinations explained, and one put together by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import APPROVED, EMPTY, Catalogue
from genco.drawings.words import clean, element_name
from genco.errors import GencoError, RuleError
from genco.evaluation.element_labels import LABEL_RULES
from genco.evaluation.element_table import ElementRow, element_view
from genco.evaluation.report_requests import ReportRequest
from genco.evaluation.shown_combinations import ShownCombination, ShownProduct, explained, shown_product
from genco.policies.generative import Request
from genco.policies.optimizer import Optimizer
from genco.runtime.legal_space import LegalSpace
from genco.serving.errors import ApiError
from genco.studio.queries.context import ContextColumn, context_columns, given_in
from genco.studio.queries.elements import rows_of
from genco.studio.queries.products import ProductRow, product_row
from genco.studio.studio import Studio

NUM_CARDS = 3
MAX_COUNTED = 1_000_000


@dataclass(frozen=True)
class Option:
    """An element that a slot may show. element_id "" = left empty · fits: with the other slots as they are."""

    element_id: str
    name: str
    fits: bool


@dataclass(frozen=True)
class SlotOptions:
    """slot: name · chosen: element id, "" = left empty."""

    slot: str
    component: str
    chosen: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class ByHand:
    """A combination chosen by hand. propensity: with which the service would serve it now, None = never · best: click
    probability of the best combination · broken: why it is not legal, in words · rate_of: the events it is of."""

    product_id: str
    context: dict[str, str]
    slots: tuple[SlotOptions, ...]
    combination: ShownCombination
    is_legal: bool
    broken: tuple[str, ...]
    propensity: float | None
    best: float
    rate_of: str


@dataclass(frozen=True)
class ProductPage:
    """A product in a context.

    shown: best combinations · elements: of the product, weakest first · replace_first: id of the weakest element that
    is LOW, of the weakest approved one where none is · num_legal: legal combinations, None above `MAX_COUNTED` ·
    nothing: why nothing can be shown, "" where something can · rate_of: the events that predicted rates are of · worth:
    of one of them in money, with 95% interval, None unless the run was trained on revenue.
    """

    until: int
    product: ProductRow
    context: tuple[ContextColumn, ...]
    num_legal: int | None
    shown: ShownProduct | None
    by_hand: ByHand | None
    elements: tuple[ElementRow, ...]
    replace_first: str | None
    replace_is_certain: bool
    label_rules: dict[str, str]
    nothing: str
    rate_of: str
    worth: float | None
    worth_interval: tuple[float, float] | None


def product_page(studio: Studio, product_id: str, context: Mapping[str, str], chosen: Mapping[int, str]) -> ProductPage:
    """Everything about a product. context: by column · chosen: by slot, an element id or "" = left empty.

    Raises `ApiError` 404 for an unknown product, 422 for a context that cannot be read.
    """
    view = studio.view()
    counts, index, optimizer = view.counts, view.index, view.optimizer
    row = known_product(optimizer, product_id)
    about = product_row(index, counts, row)
    wanted = wanted_request(optimizer, row, context)
    shown, by_hand, num_legal, nothing = None, None, 0, ""
    try:
        shown = shown_product(optimizer, wanted, about.impressions, None, NUM_CARDS)
        request = optimizer.policy.request(row, wanted.context)
        num_legal = request.space.count(MAX_COUNTED)
        by_hand = _by_hand(optimizer, request, wanted, about.impressions, chosen, shown.combinations[0])
    except RuleError as error:
        nothing = str(error)
    elements = sorted(rows_of(view, index.of_product(row), wanted.context), key=lambda entry: entry.contribution)
    usable = [entry for entry in elements if entry.status == APPROVED]
    worst = [entry.element.element_id for entry in sorted(usable, key=lambda entry: entry.label != "LOW")]
    return ProductPage(
        until=counts.until,
        product=about,
        context=context_columns(optimizer, context),
        num_legal=num_legal if num_legal <= MAX_COUNTED else None,
        shown=shown,
        by_hand=by_hand,
        elements=tuple(elements),
        replace_first=worst[0] if worst else None,
        replace_is_certain=any(entry.label == "LOW" for entry in elements),
        label_rules=LABEL_RULES,
        nothing=nothing,
        rate_of=optimizer.meta.reward,
        worth=None if optimizer.value is None else optimizer.value.of(product_id),
        worth_interval=None if optimizer.value is None else optimizer.value.interval(product_id),
    )


def by_hand(studio: Studio, product_id: str, context: Mapping[str, str], chosen: Mapping[int, str]) -> ByHand:
    """One combination of a product, put together by hand. Raises `ApiError`."""
    view = studio.view()
    optimizer = view.optimizer
    row = known_product(optimizer, product_id)
    wanted = wanted_request(optimizer, row, context)
    impressions = int(view.counts.product[0, row])
    try:
        request = optimizer.policy.request(row, wanted.context)
        best = shown_product(optimizer, wanted, impressions, None, 1).combinations[0]
        return _by_hand(optimizer, request, wanted, impressions, chosen, best)
    except RuleError as error:
        raise ApiError(422, "no_legal_combination", str(error)) from error


def _by_hand(
    optimizer: Optimizer,
    request: Request,
    wanted: ReportRequest,
    impressions: int,
    chosen: Mapping[int, str],
    best: ShownCombination,
) -> ByHand:
    """The chosen elements, those of the best combination where nothing usable is chosen."""
    space, catalogue = request.space, optimizer.catalogue
    at = []
    for slot, step in enumerate(best.steps):
        places = [_place(catalogue, space, slot, name) for name in (chosen.get(slot), step.element.element_id or "")]
        at.append(next(place for place in places if place is not None))
    positions = np.array([at], dtype=np.int32)
    is_legal = bool(space.is_legal(positions)[0])
    return ByHand(
        product_id=str(catalogue.products["product_id"][wanted.product]),
        context={name: str(value) for name, value in wanted.values.items()},
        slots=tuple(_options(catalogue, space, positions, slot) for slot in range(space.num_slots)),
        combination=explained(optimizer, request, positions, impressions)[0],
        is_legal=is_legal,
        broken=() if is_legal else _broken(catalogue, space, positions[0]),
        propensity=float(optimizer.policy.decide(request).propensity(positions)[0]) if is_legal else None,
        best=best.click_probability,
        rate_of=optimizer.meta.reward,
    )


def _place(catalogue: Catalogue, space: LegalSpace, slot: int, element_id: str | None) -> int | None:
    """Position of an element among the slot's candidates, None where it is none of them."""
    if element_id is None:
        return None
    row = EMPTY if element_id == "" else catalogue.element_rows.get(element_id, -2)
    found = np.flatnonzero(space.candidates[slot] == row)
    return int(found[0]) if len(found) else None


def _options(catalogue: Catalogue, space: LegalSpace, positions: NDArray[np.int32], slot: int) -> SlotOptions:
    fits = space.neighbours(positions, slot)[0]
    options = []
    for place, row in enumerate(space.candidates[slot].tolist()):
        view = element_view(catalogue, row, slot)
        name = clean(view.text) if view.text else element_name(view)
        options.append(Option(view.element_id or "", name, bool(fits[place])))
    about = catalogue.slots[slot]
    return SlotOptions(about.name, about.component, options[int(positions[0, slot])].element_id, tuple(options))


def _broken(catalogue: Catalogue, space: LegalSpace, at: NDArray[np.int32]) -> tuple[str, ...]:
    """Which pairs of slots may not stand together."""
    names = [
        element_name(element_view(catalogue, int(rows[place]), slot))
        for slot, (rows, place) in enumerate(zip(space.candidates, at, strict=True))
    ]
    found = [
        f"{names[i]} in {clean(catalogue.slots[i].name)} and {names[j]} in {clean(catalogue.slots[j].name)}"
        for i, j in combinations(range(space.num_slots), 2)
        if (i, j) in space.compatible and not space.compatible[i, j][at[i], at[j]]
    ]
    return tuple(found) or ("a rule on the whole combination",)


def known_product(optimizer: Optimizer, product_id: str) -> int:
    """Row of a product. Raises `ApiError` 404."""
    row = optimizer.catalogue.product_rows.get(product_id)
    if row is None:
        raise ApiError(404, "unknown_product", f"The catalogue has no product {product_id!r}.")
    return row


def wanted_request(optimizer: Optimizer, row: int, context: Mapping[str, str]) -> ReportRequest:
    """A product row in a context, by column. Raises `ApiError` 422 for one that cannot be read."""
    given = given_in(context)
    try:
        return ReportRequest(row, given, optimizer.context(given))
    except GencoError as error:
        raise ApiError(422, "bad_context", str(error)) from error
