"""What an online policy may know of a table of listed combinations: elements and items, never the rates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError

ROOT = -1  # the parent of a slot that has none


@dataclass(frozen=True, eq=False)
class ArmTable:
    """Listed legal combinations ("arms") of one or more items (products).

    item: int32 [arm], ascending from 0 without gaps, so arms of one item are adjacent · elements: int32 [arm, slot],
    the element's number within its slot, from 0 · fields: int32 [item, field], known categorical features of each item
    · parents: the tree over slots that the table came with, an earlier slot or `ROOT` for each slot; None without one.
    """

    item: NDArray[np.int32]
    elements: NDArray[np.int32]
    fields: NDArray[np.int32]
    parents: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not len(self.item) or len(self.item) != len(self.elements):
            raise DataError(
                f"`item` and `elements` should have one row per arm, at least one. "
                f"Found {len(self.item)} and {len(self.elements)}."
            )
        if self.item[0] != 0 or not np.isin(np.diff(self.item), (0, 1)).all():
            raise DataError("`item` should ascend from 0 without gaps. Found another order.")
        if len(self.fields) != self.num_items:
            raise DataError(f"`fields` should have {self.num_items} rows. Found {len(self.fields)}.")
        parents = (ROOT,) * self.num_slots if self.parents is None else self.parents
        if len(parents) != self.num_slots or not all(ROOT <= parent < slot for slot, parent in enumerate(parents)):
            raise DataError(
                f"`parents` should name an earlier slot, or {ROOT}, for each of {self.num_slots} slots. "
                f"Found {self.parents}."
            )

    @property
    def num_arms(self) -> int:
        return len(self.item)

    @property
    def num_slots(self) -> int:
        return int(self.elements.shape[1])

    @property
    def num_items(self) -> int:
        return int(self.item[-1]) + 1

    @cached_property
    def num_elements(self) -> tuple[int, ...]:
        """Number of elements of each slot."""
        return tuple(int(number) + 1 for number in self.elements.max(axis=0))

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """First arm of every item, and the number of arms at the end [item + 1]."""
        return np.searchsorted(self.item, np.arange(self.num_items + 1))
