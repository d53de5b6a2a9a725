"""Bodies of requests and answers about the catalogue."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from genco.serving.additions import AddedElement, AddedProduct
from genco.serving.schemas import ElementStatus, Value


class CatalogueChange(BaseModel):
    """What to add and to change, all or none. rules: all further rules that shall hold from now on, null = as before;
    each as in `dataset.toml`. statuses: of elements of the catalogue or of this request."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    products: Annotated[list[AddedProduct], Field(max_length=100_000)] = []
    elements: Annotated[list[AddedElement], Field(max_length=100_000)] = []
    rules: Annotated[list[dict[str, Any]] | None, Field(max_length=10_000)] = None
    statuses: Annotated[list[ElementStatus], Field(max_length=100_000)] = []


class CatalogueAnswer(BaseModel):
    """version: counts the changes; every decision logs the one it was made with · changed: statuses · products,
    elements, rules: how many were taken · left_to_the_run: products and elements that the served run knows itself: it
    keeps what it was trained with."""

    version: int
    changed: int
    products: int
    elements: int
    rules: int
    left_to_the_run: int


class CatalogueElement(BaseModel):
    """An element of a product, or shared by all. status: in force · added: while serving, the served run does not know
    its id."""

    element_id: str
    component: str
    text: str | None
    image_uri: str | None
    status: str
    features: dict[str, Value]
    shared: bool
    added: bool


class CatalogueProduct(BaseModel):
    """A product as it is served now. legal: whether anything may be shown for it; why_not: the rule, where nothing."""

    product_id: str
    features: dict[str, Value]
    added: bool
    elements: list[CatalogueElement]
    legal: bool
    why_not: str | None
    version: int
