"""Whether the minimum shares of a configuration can be kept, asked before anything is trained."""

from __future__ import annotations

from collections import defaultdict

from genco.data.catalogue import Catalogue
from genco.errors import ConfigError
from genco.runtime.decision import ROUNDING, DecisionConfig


def require_minimum_shares(config: DecisionConfig, catalogue: Catalogue) -> None:
    """Raise `ConfigError` where shares name an unknown element, or those of one product exceed 1 - epsilon.

    Counted whether or not statuses and rules let an element be shown now, as both may change while the run serves.
    """
    by_product: dict[int, dict[str, float]] = defaultdict(dict)  # -1 = of elements that all products share
    for element_id, share in config.minimum_share.items():
        if element_id not in catalogue.element_rows:
            raise ConfigError(f"Parameter `minimum_share` should name elements of the catalogue. Found {element_id!r}.")
        owner = int(catalogue.element_product[catalogue.element_rows[element_id]])
        by_product[owner][element_id] = share
    shared, room = by_product.pop(-1, {}), 1.0 - config.epsilon
    for product, own in [*by_product.items(), (-1, {})]:
        total = sum(shared.values()) + sum(own.values())
        if total > room + ROUNDING:
            name = "every product" if product < 0 else f"product {str(catalogue.products['product_id'][product])!r}"
            shares = ", ".join(f"{element!r} = {share:g}" for element, share in {**shared, **own}.items())
            raise ConfigError(
                f"Parameter `minimum_share` should add up to 1 - epsilon = {room:g} at most for each product. "
                f"Found {total:g} for {name}: {shares}."
            )
