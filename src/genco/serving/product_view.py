"""One product of the catalogue as it is served now."""

from __future__ import annotations

from typing import Any

import numpy as np

from genco.data.catalogue import ELEMENT_COLUMNS, PRODUCT_COLUMNS
from genco.errors import RuleError
from genco.runtime.legal_space import legal_space
from genco.serving.catalogue_schemas import CatalogueElement, CatalogueProduct
from genco.serving.errors import ApiError
from genco.serving.live_model import LiveModel


def product_view(live: LiveModel, product_id: str) -> CatalogueProduct:
    """The product with its own and the shared elements. Raises `ApiError` 404."""
    control = live.serving.control
    model, own = control.model, control.loaded[1].catalogue
    catalogue = model.catalogue
    product = catalogue.product_rows.get(product_id)
    if product is None:
        raise ApiError(404, "unknown_product", f"The catalogue has no product {product_id!r}.")
    rows = np.flatnonzero(np.isin(catalogue.element_product, (-1, product)))
    elements = [
        CatalogueElement(
            features=_features(row, ELEMENT_COLUMNS),
            shared=row["product_id"] is None,
            added=row["element_id"] not in own.element_rows,
            **{name: row[name] for name in ("element_id", "component", "text", "image_uri", "status")},
        )
        for row in catalogue.elements[rows].iter_rows(named=True)
    ]
    return CatalogueProduct(
        product_id=product_id,
        features=_features(catalogue.products.row(product, named=True), PRODUCT_COLUMNS),
        added=product_id not in own.product_rows,
        elements=elements,
        version=model.catalogue_version,
        **_legality(model.optimizer, product),
    )


def _legality(optimizer: Any, product: int) -> dict[str, Any]:
    try:
        legal_space(optimizer.catalogue, product, book=optimizer.policy.rule_book)
    except RuleError as error:
        return {"legal": False, "why_not": str(error)}
    return {"legal": True, "why_not": None}


def _features(row: dict[str, Any], reserved: tuple[str, ...]) -> dict[str, Any]:
    plain = (str, bool, int, float, type(None))
    return {n: v if isinstance(v, plain) else str(v) for n, v in row.items() if n not in reserved}
