"""The controls page: what can be changed for a product and an element, what a change would do, what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from genco.data.catalogue import APPROVED
from genco.drawings.words import clean
from genco.serving.changes import (
    BlockElement,
    Change,
    ForbidPair,
    MinimumShare,
    PauseExploration,
    PinElement,
    SetStatus,
)
from genco.serving.control_preview import SlotTraffic
from genco.serving.control_store import Control, changes_in_force, control_named
from genco.serving.controls import Preview
from genco.serving.errors import ApiError
from genco.serving.governed import state_of
from genco.studio.queries.actors import actor_names
from genco.studio.queries.context import ContextColumn, context_columns, given_in
from genco.studio.queries.element_names import Choice, choices, name_of
from genco.studio.queries.wanted_change import Wanted, change_of
from genco.studio.studio import Studio

PAGE_SIZE = 50
SHOWN_ELEMENTS = 12
STATUS_WORDS = {"approved": "approved: it may be shown", "pending": "held back", "blocked": "stopped everywhere"}


@dataclass(frozen=True)
class Act:
    """One act. actor: as in the audit log · who: for readers · said: in words with the elements' texts · words: with
    ids, as in the audit log."""

    number: int
    at: int
    actor: str
    who: str
    said: str
    words: str
    product_id: str | None
    undoes: int | None
    in_force: bool


@dataclass(frozen=True)
class Share:
    """Share of the product's impressions with this element in the slot. element_id: None = empty, or all the rest."""

    element_id: str | None
    name: str
    before: float
    after: float


@dataclass(frozen=True)
class SlotShares:
    """A slot's elements, the largest change first; each side adds up to 1 where anything is legal."""

    slot: str
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Effect:
    """What the change would do. num_products: whose decisions may change · products: the first of them · exact: shares
    are probabilities, else drawn · rate_before, rate_after: expected rate of the product · rate_of: the events it is of
    · in_force: it is so already."""

    said: str
    num_products: int
    products: tuple[str, ...]
    product_id: str | None
    exact: bool
    slots: tuple[SlotShares, ...]
    rate_before: float | None
    rate_after: float | None
    rate_of: str
    in_force: bool


@dataclass(frozen=True)
class ControlsPage:
    """wanted: what the form says, completed · is_known: whether the catalogue has its product · status: of the element
    · context: that the preview is for · choices: of the product, None = too many to list · refused: why the change
    cannot be made · done: the act just made · older: where the next page begins."""

    wanted: Wanted
    is_known: bool
    undo: int | None
    element_name: str | None
    status: str | None
    slots: tuple[str, ...]
    context: tuple[ContextColumn, ...]
    choices: tuple[Choice, ...] | None
    effect: Effect | None
    refused: str | None
    done: Act | None
    active: bool | None
    acts: tuple[Act, ...]
    older: int | None


def controls_page(
    studio: Studio,
    asked: Wanted,
    context: Mapping[str, str],
    undo: int | None,
    done: int | None,
    active: bool | None,
    before: int | None,
) -> ControlsPage:
    """active: list changes in force (True), undone (False) or every act (None) · before: acts below this number."""
    service, catalogue = studio.service, studio.service.model.catalogue
    wanted = completed(studio, asked)
    effect, refused = None, None
    try:
        if undo is not None:
            effect = _undoing(studio, undo, wanted.product, context)
        elif wanted.is_complete:
            effect = effect_of(studio, change_of(wanted), wanted.product, context)
    except ApiError as error:
        refused = error.message
    listed = service.controls.history(wanted.product or None, active, before, PAGE_SIZE + 1)
    row = catalogue.element_rows.get(wanted.element)
    return ControlsPage(
        wanted=wanted,
        is_known=not wanted.product or wanted.product in catalogue.product_rows,
        undo=undo,
        element_name=name_of(catalogue, wanted.element) if wanted.element else None,
        status=None if row is None else str(catalogue.elements["status"][row]),
        slots=service.model.slot_names,
        context=context_columns(service.model.optimizer, context),
        choices=choices(catalogue, wanted.product),
        effect=effect,
        refused=refused,
        done=None if done is None else _acts(studio, [_named(studio, done)])[0],
        active=active,
        acts=_acts(studio, listed[:PAGE_SIZE]),
        older=listed[PAGE_SIZE - 1].number if len(listed) > PAGE_SIZE else None,
    )


def completed(studio: Studio, asked: Wanted) -> Wanted:
    """What was asked, with the product that owns the element, and the change that is most likely wanted."""
    catalogue = studio.service.model.catalogue
    row = catalogue.element_rows.get(asked.element)
    product = asked.product
    if row is not None and not product and catalogue.element_product[row] >= 0:
        product = str(catalogue.products["product_id"][int(catalogue.element_product[row])])
    action = asked.action
    if not action and row is not None:
        approved = catalogue.elements["status"][row] == APPROVED
        action = ("block" if product else "block_all") if approved else "approve"
    return replace(asked, product=product, action=action)


def said(studio: Studio, change: Change) -> str:
    """The change in words, elements by their texts."""
    catalogue = studio.service.model.catalogue

    def name(element_id: str) -> str:
        return name_of(catalogue, element_id)

    if isinstance(change, SetStatus):
        names = ", ".join(name(element) for element in change.element_ids[:3])
        rest = len(change.element_ids) - 3
        return f"{names}{f' and {rest:,} more' if rest > 0 else ''}: {STATUS_WORDS[change.status]}"
    if isinstance(change, PauseExploration):
        return f"{clean(change.product_id)}: no exploration, its best combination only"
    where = "" if change.product_id is None else f" in {clean(change.product_id)}"
    if isinstance(change, PinElement):
        return f"{name(change.element_id)} is all that {clean(change.slot_id)} shows{where}"
    if isinstance(change, BlockElement):
        return f"{name(change.element_id)}: stopped{where}"
    if isinstance(change, ForbidPair):
        return f"{name(change.element_ids[0])} and {name(change.element_ids[1])}: not together{where}"
    assert isinstance(change, MinimumShare)
    return f"{name(change.element_id)}: at least {change.share:.1%} of impressions{where}"


def already_in_force(studio: Studio, change: Change) -> bool:
    """Whether making the change once more would change nothing."""
    with studio.service.engine.connect() as connection:
        held = changes_in_force(connection)
    return change in held and state_of([*held, change]) == state_of(held)


def effect_of(studio: Studio, change: Change, product: str, context: Mapping[str, str]) -> Effect:
    """What the change would do; traffic of the product, "" = the first that is touched. Raises `ApiError`."""
    preview = studio.service.controls.preview([change], None, product or None, given_in(context))
    return _effect(studio, said(studio, change), preview, already_in_force(studio, change))


def _undoing(studio: Studio, number: int, product: str, context: Mapping[str, str]) -> Effect:
    control = _named(studio, number)
    preview = studio.service.controls.preview([], number, product or control.product_id, given_in(context))
    return _effect(studio, f"Undo {number}: {said(studio, control.change)}", preview, False)


def _effect(studio: Studio, words: str, preview: Preview, in_force: bool) -> Effect:
    found = preview.traffic
    return Effect(
        said=words,
        num_products=preview.num_products,
        products=preview.products,
        product_id=None if found is None else found.product_id,
        exact=found is None or found.exact,
        slots=() if found is None else tuple(_shares(studio, slot) for slot in found.slots),
        rate_before=None if found is None else found.click_probability_before,
        rate_after=None if found is None else found.click_probability_after,
        rate_of=studio.service.model.optimizer.meta.reward,
        in_force=in_force,
    )


def _shares(studio: Studio, slot: SlotTraffic) -> SlotShares:
    catalogue = studio.service.model.catalogue
    first, rest = slot.elements[:SHOWN_ELEMENTS], slot.elements[SHOWN_ELEMENTS:]
    shares = [Share(row.element_id, name_of(catalogue, row.element_id), row.before, row.after) for row in first]
    if rest:
        before, after = sum(row.before for row in rest), sum(row.after for row in rest)
        shares.append(Share(None, f"{len(rest):,} others together", before, after))
    return SlotShares(slot.slot_id, tuple(shares))


def _acts(studio: Studio, listed: list[Control]) -> tuple[Act, ...]:
    with studio.service.engine.connect() as connection:
        names = actor_names(connection, (control.actor for control in listed))
    return tuple(_act(studio, control, names[control.actor]) for control in listed)


def _act(studio: Studio, control: Control, who: str) -> Act:
    words = said(studio, control.change)
    return Act(
        number=control.number,
        at=control.at,
        actor=control.actor,
        who=who,
        said=words if control.undoes is None else f"Undo {control.undoes}: {words}",
        words=control.words,
        product_id=control.product_id,
        undoes=control.undoes,
        in_force=control.in_force,
    )


def _named(studio: Studio, number: int) -> Control:
    with studio.service.engine.connect() as connection:
        return control_named(connection, number)
