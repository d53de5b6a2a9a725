"""What a change must keep: names that exist, room for every minimum share, and a legal combination for every product.

All raise `ApiError` 422 that names the rule and the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.errors import RuleError
from genco.policies.optimizer import Optimizer
from genco.runtime.decision import ROUNDING
from genco.runtime.legal_space import legal_space
from genco.serving.changes import Change, ForbidPair, MinimumShare, PauseExploration, PinElement, SetStatus, product_of
from genco.serving.errors import ApiError
from genco.serving.governed import ControlState, decision_of, shares_of

Rows = NDArray[np.int32]


def check_change(change: Change, catalogue: Catalogue) -> None:
    """Names exist, and the elements may meet where the change says."""
    wanted = product_of(change)
    if wanted is not None and wanted not in catalogue.product_rows:
        raise ApiError(422, "unknown_id", f"The catalogue has no product {wanted!r} ({change.words}).")
    if isinstance(change, PinElement) and change.slot_id not in {slot.name for slot in catalogue.slots}:
        raise ApiError(422, "unknown_id", f"The run has no slot {change.slot_id!r} ({change.words}).")
    for element in change.element_ids:
        if element not in catalogue.element_rows:
            raise ApiError(422, "unknown_id", f"The catalogue has no element {element!r} ({change.words}).")
    if isinstance(change, SetStatus):
        return
    owners = _owners(change, catalogue) | ({catalogue.product_rows[wanted]} if wanted is not None else set())
    if len(owners) > 1:
        names = " and ".join(repr(str(catalogue.products["product_id"][row])) for row in sorted(owners))
        raise ApiError(422, "other_product", f"Elements and product of a change should meet; {change.words}: {names}.")
    if isinstance(change, ForbidPair) and change.element_ids[0] == change.element_ids[1]:
        raise ApiError(422, "invalid_body", f"A pair has two elements. Found {change.element_ids[0]!r} twice.")


def touched_products(change: Change, catalogue: Catalogue) -> Rows:
    """Rows of the products whose decisions a change may alter, ascending. Names unknown to the catalogue touch none."""
    wanted = product_of(change)
    if wanted is not None:
        rows = [catalogue.product_rows[wanted]] if wanted in catalogue.product_rows else []
        return np.array(rows, dtype=np.int32)
    known = [catalogue.element_rows[name] for name in change.element_ids if name in catalogue.element_rows]
    owners = np.unique(catalogue.element_product[known]) if known else np.zeros(0, dtype=np.int32)
    if isinstance(change, ForbidPair) and len(owners) > 1:  # a shared element beside a product's own
        owners = owners[owners >= 0]
    if (owners < 0).any():
        return np.arange(catalogue.num_products, dtype=np.int32)
    return owners.astype(np.int32)


def check_legal(changes: Sequence[Change], before: Optimizer, after: Optimizer) -> None:
    """No product that has a legal combination before the changes lacks one after them."""
    bound = [change for change in changes if not isinstance(change, (MinimumShare, PauseExploration))]
    if bound:
        rows = np.unique(np.concatenate([touched_products(change, after.catalogue) for change in bound]))
        check_products(rows, before, after, bound[0].words)


def check_products(rows: Rows, before: Optimizer, after: Optimizer, words: str) -> None:
    """None of the products that has a legal combination before lacks one after; new ones may. words: what changed."""
    for product in rows[rows < before.catalogue.num_products]:
        error = _why_empty(after, int(product))
        if error is not None and _why_empty(before, int(product)) is None:
            raise ApiError(422, "no_legal_combination", f"Refused ({words}): {error}")


def check_shares(optimizer: Optimizer, state: ControlState) -> None:
    """The minimum shares of every product leave epsilon free, whether or not they can be shown now."""
    catalogue, config = optimizer.catalogue, decision_of(optimizer)
    everywhere, by_product = shares_of(catalogue, config.minimum_share, state.shares)
    room = 1.0 - config.epsilon
    found: Iterable[tuple[str, float]] = [
        ("every product", sum(everywhere.values())),
        *((repr(str(catalogue.products["product_id"][row])), sum(s.values())) for row, s in by_product.items()),
    ]
    for name, total in found:
        if total > room + ROUNDING:
            message = f"Minimum shares should add up to {room:g} at most, what exploration leaves. "
            raise ApiError(422, "shares_too_large", f"{message}Found {total:g} for {name}.")


def _owners(change: Change, catalogue: Catalogue) -> set[int]:
    return {int(catalogue.element_product[catalogue.element_rows[name]]) for name in change.element_ids} - {-1}


def _why_empty(optimizer: Optimizer, product: int) -> RuleError | None:
    try:
        legal_space(optimizer.catalogue, product, book=optimizer.policy.rule_book)
    except RuleError as error:
        return error
    return None
