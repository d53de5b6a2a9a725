"""Several elements that get one status in one act: what is chosen, and what the act would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genco.serving.changes import SetStatus
from genco.serving.errors import ApiError
from genco.studio.queries.context import ContextColumn, context_columns
from genco.studio.queries.controls import Effect, effect_of
from genco.studio.queries.element_names import name_of
from genco.studio.queries.wanted_change import STATUS
from genco.studio.studio import Studio

MOST = 1_000


@dataclass(frozen=True)
class Chosen:
    """An element that is chosen. product_id: None = shared by all · changes: whether it gets another status."""

    element_id: str
    name: str
    component: str
    product_id: str | None
    status: str
    changes: bool


@dataclass(frozen=True)
class Several:
    """action: of `STATUS`, "" = not chosen · product: whose traffic is asked for · elements: as chosen, each once ·
    effect: of the act on those it changes, None where there is none or the act is refused."""

    action: str
    product: str
    context: tuple[ContextColumn, ...]
    elements: tuple[Chosen, ...]
    num_changing: int
    effect: Effect | None
    refused: str | None


def several(
    studio: Studio, action: str, element_ids: Sequence[str], product: str, context: Mapping[str, str]
) -> Several:
    """What is chosen, and what the act would do. Raises `ApiError` 422 for an unknown element or too many."""
    chosen = _chosen(studio, action, element_ids)
    changing = tuple(element.element_id for element in chosen if element.changes)
    effect, refused = None, None
    if changing:
        try:
            effect = effect_of(studio, _change(action, changing), product, context)
        except ApiError as error:
            refused = error.message
    columns = context_columns(studio.service.model.optimizer, context)
    return Several(action, product, columns, chosen, len(changing), effect, refused)


def change_of_several(studio: Studio, action: str, element_ids: Sequence[str]) -> SetStatus:
    """The act on those of the elements that it changes. Raises `ApiError`: 422 as `several`, 409 where none are."""
    changing = tuple(element.element_id for element in _chosen(studio, action, element_ids) if element.changes)
    if not changing:
        raise ApiError(409, "already_in_force", "No element was chosen whose status this would change.")
    return _change(action, changing)


def _change(action: str, element_ids: tuple[str, ...]) -> SetStatus:
    return SetStatus(element_ids=element_ids, status=STATUS[action])


def _chosen(studio: Studio, action: str, element_ids: Sequence[str]) -> tuple[Chosen, ...]:
    if len(element_ids) > MOST:
        raise ApiError(
            422, "invalid_body", f"At most {MOST:,} elements can be chosen at once. Found {len(element_ids):,}."
        )
    catalogue = studio.service.model.catalogue
    found = []
    for element_id in dict.fromkeys(element_ids):
        row = catalogue.element_rows.get(element_id)
        if row is None:
            raise ApiError(422, "unknown_id", f"The catalogue has no element {element_id!r}.")
        values = catalogue.elements.row(row, named=True)
        owner, status = int(catalogue.element_product[row]), str(values["status"])
        found.append(
            Chosen(
                element_id,
                name_of(catalogue, element_id),
                str(values["component"]),
                None if owner < 0 else str(catalogue.products["product_id"][owner]),
                status,
                action in STATUS and STATUS[action] != status,
            )
        )
    return tuple(found)
