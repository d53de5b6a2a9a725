"""Products, elements and rules that came while serving, and a run whose catalogue has them.

A new element is read by its content, a new product by its features; what ids alone tell of them starts at zero, as
uncertain as the run's prior. What a run knows itself it keeps as it was trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from genco.data.catalogue import Catalogue
from genco.data.rules import Allow, Forbid, Only, Rule
from genco.policies.optimizer import Optimizer
from genco.serving.schemas import Element, Id, Value
from genco.serving.store_marks import unmarked
from genco.storage.catalogue_checks import names_in

_FROZEN = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
STRICTNESS = ("approved", "pending", "blocked")
FeatureValues = Annotated[dict[str, Value], Field(max_length=1_000)]


class AddedProduct(BaseModel):
    """A product. features: by column of the run's products; a column left out is null."""

    model_config = _FROZEN
    product_id: Element
    features: FeatureValues = {}

    @property
    def row(self) -> dict[str, Any]:
        """As a row of the catalogue's table."""
        return {**self.features, "product_id": self.product_id}


class AddedElement(BaseModel):
    """An element of one product, or (null) of all. features: by column of the run's elements."""

    model_config = _FROZEN
    element_id: Element
    product_id: Element | None = None
    component: Id
    text: Annotated[str | None, Field(max_length=10_000)] = None
    image_uri: Annotated[str | None, Field(max_length=2_048)] = None
    status: Literal["approved", "pending", "blocked"] = "pending"
    features: FeatureValues = {}

    @property
    def row(self) -> dict[str, Any]:
        """As a row of the catalogue's table."""
        return {**self.features, **self.model_dump(exclude={"features"})}


@dataclass(frozen=True)
class Additions:
    """products, elements: in order of arrival, which later ones never change · rules: those in force · store: where
    they are kept, "" = nowhere."""

    products: tuple[AddedProduct, ...] = ()
    elements: tuple[AddedElement, ...] = ()
    rules: tuple[Rule, ...] = ()
    store: str = ""


def grown(optimizer: Optimizer, additions: Additions) -> Optimizer:
    """The run with what it does not know yet after its own rows; what does not fit its slots rests. Of an element that
    it knows itself, whose status is stricter in the rows sent, those hold. What a run trained on an export has from
    this store holds as the store says now.

    Raises `GencoError` where a text cannot be encoded.
    """
    optimizer = unmarked(optimizer, additions.store, {added.element_id: added.status for added in additions.elements})
    optimizer = _stricter(optimizer, additions)
    products, elements, rules = unknown_rows(optimizer.catalogue, additions)
    if not products.height and not elements.height and not rules:
        return optimizer
    return optimizer.with_rows(products, elements, rules)


def _stricter(optimizer: Optimizer, additions: Additions) -> Optimizer:
    """A run has the statuses of when it was trained: an approval may have been taken back since."""
    catalogue = optimizer.catalogue
    status = catalogue.elements["status"].to_list()
    changed = False
    for added in additions.elements:
        row = catalogue.element_rows.get(added.element_id)
        if row is not None and STRICTNESS.index(added.status) > STRICTNESS.index(status[row]):
            status[row], changed = added.status, True
    return optimizer.holding(pl.Series(status, dtype=pl.String), catalogue.rules) if changed else optimizer


def unknown_rows(catalogue: Catalogue, additions: Additions) -> tuple[pl.DataFrame, pl.DataFrame, tuple[Rule, ...]]:
    """Products, elements and rules that the catalogue does not have and that fit its slots; with its columns."""
    products = [added for added in additions.products if added.product_id not in catalogue.product_rows]
    known = catalogue.product_rows.keys() | {added.product_id for added in products}
    elements = [
        added
        for added in additions.elements
        if added.element_id not in catalogue.element_rows
        and added.component in catalogue.components
        and (added.product_id is None or added.product_id in known)
    ]
    names = {"product_id": known, "element": catalogue.element_rows.keys() | {added.element_id for added in elements}}
    fitting = (_fitting(rule, names, catalogue) for rule in additions.rules)
    return (
        table_like(catalogue.products, [added.row for added in products]),
        table_like(catalogue.elements, [added.row for added in elements]),
        tuple(rule for rule in fitting if rule is not None and rule not in catalogue.rules),
    )


def table_like(like: pl.DataFrame, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows with the columns of another table."""
    return pl.DataFrame(
        [
            pl.Series(name, [row.get(name) for row in rows], dtype=dtype, strict=False)
            for name, dtype in like.schema.items()
        ]
    )


def _fitting(rule: Rule, names: Mapping[str, Any], catalogue: Catalogue) -> Rule | None:
    """The rule without pairs and combinations that cannot be shown here, as they name an element the catalogue lacks;
    the others hold. None where what is left names anything else that it lacks."""

    def can_show(elements: Sequence[str | None]) -> bool:
        return all(not name or name in names["element"] for name in elements)  # "" and null: an empty slot

    if isinstance(rule, (Forbid, Allow)):
        rule = replace(rule, pairs=tuple(filter(can_show, rule.pairs)))
    elif isinstance(rule, Only):
        rule = replace(rule, combinations=tuple(filter(can_show, rule.combinations)))
    known = {**names, "slot": {slot.name for slot in catalogue.slots}}
    is_known = all(not name or name in known[kind] for kind, found in names_in(rule).items() for name in found)
    return rule if is_known else None
