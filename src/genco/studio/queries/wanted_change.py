"""What a form of the controls page asks for, as a change of the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from genco.serving.changes import (
    BlockElement,
    Change,
    ForbidPair,
    MinimumShare,
    PauseExploration,
    PinElement,
    SetStatus,
)
from genco.serving.errors import ApiError


@dataclass(frozen=True)
class Action:
    """One kind of change. needs: fields without which it says nothing · is_of_product: holds in the product that is
    given, else in all."""

    name: str
    title: str
    meaning: str
    needs: tuple[str, ...]
    is_of_product: bool = False


ACTIONS = (
    Action("block", "Stop in one product", "The product shows this element no more.", ("product", "element")),
    Action("block_all", "Stop everywhere", "No product shows this element any more.", ("element",)),
    Action("approve", "Approve", "The element may be shown wherever it stands.", ("element",)),
    Action("hold", "Hold back", "The element is not shown until somebody approves it.", ("element",)),
    Action("pin", "Pin", "The slot shows this element and no other.", ("product", "slot", "element")),
    Action("forbid", "Forbid a pair", "The two elements are not shown together.", ("element", "other"), True),
    Action(
        "share",
        "Minimum share",
        "The element gets at least this share of impressions wherever rules let it be shown.",
        ("element", "share"),
        True,
    ),
    Action("pause", "Pause exploration", "The product shows its best combination only.", ("product",)),
)
BY_NAME = {action.name: action for action in ACTIONS}
STATUS: dict[str, Literal["approved", "pending", "blocked"]] = {
    "approve": "approved",
    "block_all": "blocked",
    "hold": "pending",
}


@dataclass(frozen=True)
class Wanted:
    """Fields as a form sends them, "" = not given. share: in percent."""

    action: str = ""
    product: str = ""
    element: str = ""
    other: str = ""
    slot: str = ""
    share: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether everything that the action needs is given."""
        return self.action in BY_NAME and all(getattr(self, name) for name in BY_NAME[self.action].needs)


def change_of(wanted: Wanted) -> Change:
    """The change. Raises `ApiError` 422 where something is missing or out of range."""
    if not wanted.is_complete:
        raise ApiError(422, "invalid_body", "Something is missing: choose what to change, and for which element.")
    try:
        return _change(wanted)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ApiError(422, "invalid_body", f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}.") from error


def _change(wanted: Wanted) -> Change:
    element, product = wanted.element, wanted.product
    everywhere_or: Any = product or None
    if wanted.action in STATUS:
        return SetStatus(element_ids=(element,), status=STATUS[wanted.action])
    if wanted.action == "block":
        return BlockElement(product_id=product, element_id=element)
    if wanted.action == "pin":
        return PinElement(product_id=product, slot_id=wanted.slot, element_id=element)
    if wanted.action == "forbid":
        return ForbidPair(element_ids=(element, wanted.other), product_id=everywhere_or)
    if wanted.action == "share":
        return MinimumShare(element_id=element, share=_share(wanted.share), product_id=everywhere_or)
    return PauseExploration(product_id=product)


def _share(text: str) -> float:
    try:
        return float(text.replace("%", "").replace(",", ".")) / 100
    except ValueError as error:
        raise ApiError(422, "invalid_body", f"The share should be a number of percent. Found {text!r}.") from error
