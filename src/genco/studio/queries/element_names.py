"""What a reader sees of an element or product that is known by its id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genco.data.catalogue import Catalogue
from genco.drawings.words import clean, element_name
from genco.evaluation.element_table import ElementView

MAX_CHOICES = 300


@dataclass(frozen=True)
class Choice:
    """An element to choose. own: of this product alone, not shared by all."""

    element_id: str
    name: str
    component: str
    status: str
    own: bool


def view_of(catalogue: Catalogue, element_id: str) -> ElementView | None:
    """The element, None where the catalogue does not know it."""
    row = catalogue.element_rows.get(element_id)
    if row is None:
        return None
    has_text, has_image = ("text" in catalogue.elements.columns, "image_uri" in catalogue.elements.columns)
    values = catalogue.elements.row(row, named=True)
    return ElementView(
        element_id,
        str(values["component"]),
        values["text"] if has_text else None,
        values["image_uri"] if has_image else None,
    )


def name_of(catalogue: Catalogue, element_id: str | None) -> str:
    """The element's text in quotes, else what it is and its id; the id where the catalogue does not know it."""
    if element_id is None:
        return "left empty"
    found = view_of(catalogue, element_id)
    return clean(element_id) if found is None else element_name(found)


def choices(catalogue: Catalogue, product_id: str) -> tuple[Choice, ...] | None:
    """Elements that a slot may show, a product's own before those shared by all, None of more than `MAX_CHOICES`."""
    product = catalogue.product_rows.get(product_id)
    if product is None:
        return ()
    owner = catalogue.element_product
    rows = np.flatnonzero(((owner == product) | (owner < 0)) & (catalogue.element_component >= 0))
    if len(rows) > MAX_CHOICES:
        return None
    own = dict(zip(rows.tolist(), (owner[rows] >= 0).tolist(), strict=True))
    table = catalogue.elements[rows].select(pl.col("element_id", "component", "status").cast(pl.String))
    found = [
        Choice(element_id, name_of(catalogue, element_id), component, status, own[row])
        for row, (element_id, component, status) in zip(rows.tolist(), table.iter_rows(), strict=True)
    ]
    part = {name: i for i, name in enumerate(catalogue.components)}
    return tuple(sorted(found, key=lambda choice: (part[choice.component], not choice.own)))
