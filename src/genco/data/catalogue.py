"""The catalogue: products, elements, slots and rules, with the candidates of every product and slot.

Elements and products are addressed by *row* (their position in the catalogue), an int32; ids appear only at the edge.
`EMPTY` (-1) stands for the empty element of a slot that is not required.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.rules import Rule
from genco.errors import UnknownIdError

EMPTY = -1
APPROVED, PENDING, BLOCKED = "approved", "pending", "blocked"
STATUSES = (APPROVED, PENDING, BLOCKED)
PRODUCT_COLUMNS = ("product_id",)
ELEMENT_COLUMNS = ("element_id", "product_id", "component", "text", "image_uri", "status")
_KEPT = ("product_rows", "element_rows", "element_product", "components", "element_component", "_grouped")

Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Slot:
    """One place of the card. A component with three highlights has three slots over one pool. required: never empty."""

    name: str
    component: str
    required: bool = True


@dataclass(frozen=True)
class Catalogue:
    """Products and elements as tables; every column beside `PRODUCT_COLUMNS` and `ELEMENT_COLUMNS` is a feature.

    Addressed by row: int32 positions in the tables, ids only at the edge. Rules are kept by `runtime.legal_space`.
    """

    slots: tuple[Slot, ...]
    products: pl.DataFrame
    elements: pl.DataFrame
    rules: tuple[Rule, ...] = ()

    def under(self, status: pl.Series, rules: tuple[Rule, ...]) -> Catalogue:
        """The same products and elements, of another status [element] and under other rules; indexes are kept."""
        made = replace(self, elements=self.elements.with_columns(status.alias("status")), rules=rules)
        for name in _KEPT:
            vars(made)[name] = getattr(self, name)
        return made

    @property
    def num_slots(self) -> int:
        return len(self.slots)

    @property
    def num_products(self) -> int:
        return self.products.height

    @property
    def num_elements(self) -> int:
        return self.elements.height

    @cached_property
    def product_rows(self) -> dict[str, int]:
        """Row by product_id."""
        return {product_id: row for row, product_id in enumerate(self.products["product_id"])}

    @cached_property
    def element_rows(self) -> dict[str, int]:
        """Row by element_id."""
        return {element_id: row for row, element_id in enumerate(self.elements["element_id"])}

    @cached_property
    def element_product(self) -> Rows:
        """Product row [element] of each element; -1 = shared by all products."""
        owner = self.elements.select(pl.col("product_id").cast(pl.String)).join(
            self.products.select(pl.col("product_id").cast(pl.String)).with_row_index("row"),
            on="product_id",
            how="left",
            maintain_order="left",
        )
        return owner["row"].cast(pl.Int32).fill_null(-1).to_numpy()

    @cached_property
    def components(self) -> tuple[str, ...]:
        """Component names in order of first slot."""
        return tuple(dict.fromkeys(slot.component for slot in self.slots))

    @cached_property
    def element_component(self) -> Rows:
        """Index [element] into `components` of each element; -1 = a component that no slot shows."""
        index = {name: i for i, name in enumerate(self.components)}
        return np.array([index.get(name, -1) for name in self.elements["component"]], dtype=np.int32)

    @cached_property
    def element_approved(self) -> NDArray[np.bool_]:
        """Whether each element [element] may be shown as far as its status goes."""
        return self.elements["status"].eq_missing(APPROVED).to_numpy()

    @cached_property
    def _grouped(self) -> tuple[Rows, NDArray[np.int64]]:
        """Element rows in order of product (shared ones first) and component, and where each group starts."""
        groups = len(self.components) + 1
        keys = (self.element_product.astype(np.int64) + 1) * groups + self.element_component + 1
        sizes = np.bincount(keys, minlength=(self.num_products + 1) * groups)
        return np.argsort(keys, kind="stable").astype(np.int32), np.concatenate([[0], np.cumsum(sizes)])

    def members(self, product: int, component: int) -> Rows:
        """Element rows of a product (-1 = shared by all) and index of a component, whatever their status, ascending."""
        order, starts = self._grouped
        group = (product + 1) * (len(self.components) + 1) + component + 1
        return order[int(starts[group]) : int(starts[group + 1])]

    def pool(self, product: int, slot: int) -> Rows:
        """Approved element rows of the slot's component for the product (ascending), before any rule.

        Shared elements come last; the empty element is not in it.
        """
        component = self.components.index(self.slots[slot].component)
        rows: Rows = np.concatenate([self.members(product, component), self.members(-1, component)])
        return rows[self.element_approved[rows]]

    def status_with(self, statuses: Mapping[str, str]) -> pl.Series:
        """The status of every element, some of them changed; an id that the catalogue does not have rests."""
        known = [name for name in statuses if name in self.element_rows]
        status = self.elements["status"].clone()
        if known:
            status.scatter([self.element_rows[name] for name in known], [statuses[name] for name in known])
        return status

    def candidates(self, product: int, slot: int) -> Rows:
        """`pool`, with `EMPTY` appended where the slot is not required. Rules are applied by `runtime.legal_space`."""
        pool = self.pool(product, slot)
        return pool if self.slots[slot].required else np.append(pool, np.int32(EMPTY)).astype(np.int32)

    def product_row(self, product_id: str) -> int:
        """Row of `product_id`. Raises `UnknownIdError`."""
        row = self.product_rows.get(product_id)
        if row is None:
            raise UnknownIdError(f"Unknown product_id {product_id!r}: the catalogue has {self.num_products} products.")
        return row

    def combination_ids(self, combination: Rows) -> tuple[str | None, ...]:
        """Element ids of one combination of element rows [slot], None for the empty element."""
        ids = self.elements["element_id"]
        return tuple(None if row == EMPTY else str(ids[int(row)]) for row in combination)
