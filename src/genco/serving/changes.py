"""What a person may change while the service runs: a small union of typed changes, as bodies and in the store.

Every change is in force from the next decision until it is undone. `serving.controls` applies, previews and undoes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from genco.data.rules import Block, Forbid, Pin, Rule
from genco.serving.schemas import Element, Id

_FROZEN = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
SHOWN_ELEMENTS = 3
Status = Literal["approved", "pending", "blocked"]


class SetStatus(BaseModel):
    """Elements may be shown (`approved`), not yet (`pending`) or no more (`blocked`), of whatever product."""

    model_config = _FROZEN
    kind: Literal["status"] = "status"
    element_ids: Annotated[tuple[Element, ...], Field(min_length=1, max_length=100_000)]
    status: Status

    @property
    def words(self) -> str:
        return f"{self.status}: {_listed(self.element_ids)}"


class PinElement(BaseModel):
    """The slot of the product shows this element and no other."""

    model_config = _FROZEN
    kind: Literal["pin"] = "pin"
    product_id: Element
    slot_id: Id
    element_id: Element

    @property
    def element_ids(self) -> tuple[str, ...]:
        return (self.element_id,)

    @property
    def rule(self) -> Rule:
        return Pin(self.slot_id, self.element_id, self.product_id)

    @property
    def words(self) -> str:
        return str(self.rule)


class BlockElement(BaseModel):
    """The product does not show this element. (`SetStatus` blocks it for all products.)"""

    model_config = _FROZEN
    kind: Literal["block"] = "block"
    product_id: Element
    element_id: Element

    @property
    def element_ids(self) -> tuple[str, ...]:
        return (self.element_id,)

    @property
    def rule(self) -> Rule:
        return Block(self.element_id, None, self.product_id)

    @property
    def words(self) -> str:
        return str(self.rule)


class ForbidPair(BaseModel):
    """The two elements are not shown together. product_id: null = in no product."""

    model_config = _FROZEN
    kind: Literal["forbid"] = "forbid"
    element_ids: Annotated[tuple[Element, ...], Field(min_length=2, max_length=2)]
    product_id: Element | None = None

    @property
    def rule(self) -> Rule:
        return Forbid(((self.element_ids[0], self.element_ids[1]),), self.product_id)

    @property
    def words(self) -> str:
        return str(self.rule)


class MinimumShare(BaseModel):
    """The element gets at least this share of the impressions of the product, wherever rules and status let it be
    shown. product_id: null = of every product that may show it; a share of one product comes before it."""

    model_config = _FROZEN
    kind: Literal["minimum_share"] = "minimum_share"
    element_id: Element
    share: Annotated[float, Field(gt=0, lt=1)]
    product_id: Element | None = None

    @property
    def element_ids(self) -> tuple[str, ...]:
        return (self.element_id,)

    @property
    def words(self) -> str:
        where = "" if self.product_id is None else f" of product {self.product_id!r}"
        return f"at least {self.share:.1%} for {self.element_id!r}{where}"


class PauseExploration(BaseModel):
    """The product always shows the combination that is best on average; minimum shares rest too."""

    model_config = _FROZEN
    kind: Literal["pause_exploration"] = "pause_exploration"
    product_id: Element

    @property
    def element_ids(self) -> tuple[str, ...]:
        return ()

    @property
    def words(self) -> str:
        return f"no exploration for product {self.product_id!r}"


Change = Annotated[
    SetStatus | PinElement | BlockElement | ForbidPair | MinimumShare | PauseExploration, Field(discriminator="kind")
]
_ADAPTER: TypeAdapter[Change] = TypeAdapter(Change)


def change_from_json(text: str) -> Change:
    """Inverse of `change.model_dump_json()`."""
    return _ADAPTER.validate_json(text)


def product_of(change: Change) -> str | None:
    """The one product a change names; None = any number of products."""
    return None if isinstance(change, SetStatus) else change.product_id


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN_ELEMENTS])
    return shown if len(names) <= SHOWN_ELEMENTS else f"{shown} and {len(names) - SHOWN_ELEMENTS:,} more"
