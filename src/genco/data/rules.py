"""The six rules a catalogue may carry. `product_id = None` means every product.

Rules are hard: an illegal combination has probability 0 by construction everywhere in genco.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """The slot shows this element and no other. Without `product_id` it binds the product that owns the element."""

    slot: str
    element: str
    product_id: str | None = None

    def __str__(self) -> str:
        return f"pin {self.element!r} in slot {self.slot!r}{_of(self.product_id)}"


@dataclass(frozen=True)
class Block:
    """The element is not shown (in the named slot, or in any)."""

    element: str
    slot: str | None = None
    product_id: str | None = None

    def __str__(self) -> str:
        where = f" in slot {self.slot!r}" if self.slot is not None else ""
        return f"block {self.element!r}{where}{_of(self.product_id)}"


@dataclass(frozen=True)
class Forbid:
    """None of these pairs of elements appears together, in whichever slots they stand; the empty element is free."""

    pairs: tuple[tuple[str, str], ...]
    product_id: str | None = None

    def __str__(self) -> str:
        shown = ", ".join(f"{a!r} with {b!r}" for a, b in self.pairs[:3])
        return f"forbid {shown}{' ...' if len(self.pairs) > 3 else ''}{_of(self.product_id)}"


@dataclass(frozen=True)
class Allow:
    """In these two slots only the listed pairs (element of the first, element of the second) are legal.

    The empty element, written "", needs a pair like any other.
    """

    slots: tuple[str, str]
    pairs: tuple[tuple[str, str], ...]
    product_id: str | None = None

    def __str__(self) -> str:
        return f"allow {len(self.pairs)} pairs in slots {self.slots[0]!r} and {self.slots[1]!r}{_of(self.product_id)}"


@dataclass(frozen=True)
class Only:
    """The product has exactly these legal combinations (one element per slot, in slot order; None = empty)."""

    product_id: str
    combinations: tuple[tuple[str | None, ...], ...]

    def __str__(self) -> str:
        return f"only {len(self.combinations)} combinations{_of(self.product_id)}"


@dataclass(frozen=True)
class Distinct:
    """No element appears in two of these slots (the empty element may)."""

    slots: tuple[str, ...]

    def __str__(self) -> str:
        return f"distinct elements in slots {', '.join(repr(slot) for slot in self.slots)}"


Rule = Pin | Block | Forbid | Allow | Only | Distinct


def _of(product_id: str | None) -> str:
    return f" of product {product_id!r}" if product_id is not None else ""
