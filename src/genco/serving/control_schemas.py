"""Bodies of requests and answers about controls."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from genco.serving.changes import Change
from genco.serving.schemas import Element, Value

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Changes = Annotated[list[Change], Field(min_length=1, max_length=1_000)]


class ControlsIn(BaseModel):
    """Changes to put in force, all or none."""

    model_config = _STRICT
    changes: Changes


class PreviewIn(BaseModel):
    """Changes, or instead the number of an act to undo. product_id: whose traffic to show, else the first touched."""

    model_config = _STRICT
    changes: Annotated[list[Change], Field(max_length=1_000)] = []
    undo: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    product_id: Element | None = None
    context: dict[str, Value] = Field(default_factory=dict, max_length=256)


class ControlOut(BaseModel):
    """One act. undoes: the act it undoes, null = the change itself · in_force: it can be undone · product_id: the one
    product it concerns · version: of the catalogue, from which on decisions obey · at: microseconds."""

    number: int
    at: int
    actor: str
    change: Change
    words: str
    undoes: int | None
    in_force: bool
    product_id: str | None
    version: int


class ControlsAnswer(BaseModel):
    """Acts, of a list the newest first."""

    controls: list[ControlOut]


class ElementTrafficOut(BaseModel):
    """Share of the product's impressions in which the slot shows the element; null = the slot stays empty."""

    element_id: str | None
    before: float
    after: float


class SlotTrafficOut(BaseModel):
    """Elements of one slot, the largest change first."""

    slot_id: str
    elements: list[ElementTrafficOut]


class TrafficOut(BaseModel):
    """One product in one context under the served policy. exact: probabilities, else shares of draws ·
    click_probability: expected over what is served, null where nothing is legal."""

    product_id: str
    exact: bool
    slots: list[SlotTrafficOut]
    click_probability_before: float | None
    click_probability_after: float | None


class PreviewAnswer(BaseModel):
    """num_products: whose decisions may change · products: the first of them."""

    num_products: int
    products: list[str]
    traffic: TrafficOut | None
