"""Rules on rows: what every product must obey, indexed once per catalogue.

How rules are read where their text leaves a choice:
- Every rule holds. Two `allow` lists on the same slots, or two `only` lists of a product, mean their intersection.
- A `pin` or `block` without a product binds the product that owns the element; that of a shared element binds all.
- Under `allow` the empty element needs a pair like any other, written ""; under `forbid` and `distinct` it is free.
- `allow` without a product binds every product: one with no listed pair has no legal combination, and is told so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY, Catalogue
from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin, Rule
from genco.errors import DataError, UnknownIdError

Rows = NDArray[np.int32]
ALL_PRODUCTS = -1


@dataclass(frozen=True, eq=False)
class BoundRule:
    """One rule on rows.

    slots: slot indexes it names (none = any) · rows: element rows: [1] of pin and block, [pair, 2] of forbid and
    allow, [num, slot] of only, empty of distinct · rows_of: product row -> more pairs of an `allow` for all products.
    """

    rule: Rule
    slots: tuple[int, ...]
    rows: Rows
    rows_of: Mapping[int, Rows] = field(default_factory=dict)

    def pairs(self, product: int) -> Rows:
        """Pairs [pair, 2] that may concern `product`."""
        further = self.rows_of.get(product)
        return self.rows if further is None else np.concatenate([self.rows, further])


class RuleBook:
    """The rules of a catalogue by product. Raises `UnknownIdError` or `DataError` for a rule that cannot be read."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._slot_rows = {slot.name: i for i, slot in enumerate(catalogue.slots)}
        self._by_product: dict[int, list[BoundRule]] = {ALL_PRODUCTS: []}
        for rule in catalogue.rules:
            for product, bound in self._bind(rule):
                self._by_product.setdefault(product, []).append(bound)

    def rules(self, product: int) -> list[BoundRule]:
        """Rules that bind `product`, those for all products first."""
        shared, own = self._by_product[ALL_PRODUCTS], self._by_product.get(product)
        return shared if own is None else shared + own

    def rules_of(self, product: int) -> list[BoundRule]:
        """`rules`, or those for all products of one that the catalogue does not have (-1)."""
        return self._by_product[ALL_PRODUCTS] if product == ALL_PRODUCTS else self.rules(product)

    def narrowed(self, product: int, catalogue: Catalogue, kept: Rows) -> RuleBook:
        """The rules of `product` (-1 = one the catalogue does not have) on a catalogue of that product alone.

        kept: rows of this catalogue that are the first of the other one, ascending. What names an element left out
        rests; so nothing that is pinned may be left out.
        """
        made = RuleBook(catalogue)
        for bound in self.rules_of(product):
            rows = bound.pairs(product) if isinstance(bound.rule, (Forbid, Allow)) else bound.rows
            at = np.minimum(np.searchsorted(kept, rows), max(len(kept) - 1, 0))
            there = (rows == EMPTY) | (kept[at] == rows) if len(kept) else rows == EMPTY
            moved = np.where(rows == EMPTY, EMPTY, at).astype(np.int32)
            moved = moved[there.all(axis=1)] if rows.ndim == 2 else moved[there]
            if len(moved) or isinstance(bound.rule, (Allow, Only, Distinct)):
                made._by_product[ALL_PRODUCTS].append(BoundRule(bound.rule, bound.slots, moved))
        return made

    def request_rules(self, product: int, pinned: Mapping[str, str], excluded: Collection[str]) -> list[BoundRule]:
        """The pins (slot name -> element id) and exclusions (element ids) of one request as rules of `product`."""
        product_id = str(self.catalogue.products["product_id"][product])
        asked: list[Rule] = [Pin(slot, element, product_id) for slot, element in pinned.items()]
        asked += [Block(element, None, product_id) for element in sorted(excluded)]
        return [bound for rule in asked for _, bound in self._bind(rule)]

    def _bind(self, rule: Rule) -> Iterable[tuple[int, BoundRule]]:
        if isinstance(rule, Distinct):
            slots = tuple(sorted(set(self._slots(rule, rule.slots))))
            return [(ALL_PRODUCTS, BoundRule(rule, slots, np.zeros(0, np.int32)))]
        product = ALL_PRODUCTS if rule.product_id is None else self._product(rule, rule.product_id)
        if isinstance(rule, (Pin, Block)):
            rows = self._elements(rule, (rule.element,))
            slots = () if rule.slot is None else self._slots(rule, (rule.slot,))
            if product == ALL_PRODUCTS:
                product = int(self.catalogue.element_product[rows[0]])
            return [(product, BoundRule(rule, slots, rows))]
        if isinstance(rule, Only):
            return [(product, BoundRule(rule, (), self._combinations(rule)))]
        return self._bind_pairs(rule, product)

    def _bind_pairs(self, rule: Forbid | Allow, product: int) -> Iterable[tuple[int, BoundRule]]:
        allow = isinstance(rule, Allow)
        slots = self._slots(rule, rule.slots) if isinstance(rule, Allow) else ()
        if allow and (len(slots) != 2 or slots[0] == slots[1]):
            raise DataError(f"An `allow` rule names two different slots. Found the rule: {rule}.")
        if any(len(pair) != 2 for pair in rule.pairs):
            raise DataError(f"The entries of `pairs` are pairs of element ids. Found the rule: {rule}.")
        pairs = self._elements(rule, [element for pair in rule.pairs for element in pair], allow).reshape(-1, 2)
        if product != ALL_PRODUCTS:
            return [(product, BoundRule(rule, slots, pairs))]
        by_owner = self._pairs_by_owner(pairs)
        shared = by_owner.pop(ALL_PRODUCTS, pairs[:0])
        if allow:
            return [(ALL_PRODUCTS, BoundRule(rule, slots, shared, by_owner))]
        found = [(owner, BoundRule(rule, slots, rows)) for owner, rows in by_owner.items()]
        return [*found, (ALL_PRODUCTS, BoundRule(rule, slots, shared))] if len(shared) else found

    def _pairs_by_owner(self, pairs: Rows) -> dict[int, Rows]:
        """Pairs by the product that owns their elements (-1 = all); elements of two products never meet."""
        owner = np.where(pairs == EMPTY, ALL_PRODUCTS, self.catalogue.element_product[pairs])
        never = (owner >= 0).all(axis=1) & (owner[:, 0] != owner[:, 1])
        pairs, owners = pairs[~never], owner[~never].max(axis=1, initial=ALL_PRODUCTS)
        order = np.argsort(owners, kind="stable")
        products, starts = np.unique(owners[order], return_index=True)
        if not len(products):
            return {}
        parts = np.split(pairs[order], starts[1:])
        return {int(product): part for product, part in zip(products, parts, strict=True)}

    def _combinations(self, rule: Only) -> Rows:
        num_slots = self.catalogue.num_slots
        for combination in rule.combinations:
            if len(combination) != num_slots:
                raise DataError(
                    f"An `only` rule lists one element per slot, {num_slots} of them. Found {combination!r} in: {rule}."
                )
        flat = [element or "" for combination in rule.combinations for element in combination]
        return self._elements(rule, flat, empty=True).reshape(-1, num_slots)

    def _slots(self, rule: Rule, names: Sequence[str]) -> tuple[int, ...]:
        for name in names:
            if name not in self._slot_rows:
                known = ", ".join(repr(slot) for slot in self._slot_rows)
                raise UnknownIdError(f"Unknown slot {name!r} in the rule: {rule}. The slots are {known}.")
        return tuple(self._slot_rows[name] for name in names)

    def _elements(self, rule: Rule, ids: Sequence[str], empty: bool = False) -> Rows:
        rows = self.catalogue.element_rows
        found = [EMPTY if empty and not element else rows.get(element, -2) for element in ids]
        if -2 in found:
            raise UnknownIdError(f"Unknown element {ids[found.index(-2)]!r} in the rule: {rule}.")
        return np.array(found, dtype=np.int32)

    def _product(self, rule: Rule, product_id: str) -> int:
        row = self.catalogue.product_rows.get(product_id)
        if row is None:
            raise UnknownIdError(f"Unknown product_id {product_id!r} in the rule: {rule}.")
        return row
