"""From bound rules to candidates and constraints; and, where they leave nothing, which rule is to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY, Catalogue
from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin
from genco.errors import RuleError
from genco.runtime.listed import Listed
from genco.runtime.pairwise import Pairwise
from genco.runtime.rule_book import BoundRule

Rows = NDArray[np.int32]
Bools = NDArray[np.bool_]
Pair = tuple[int, int]
Choices = tuple[tuple[Rows, ...], Pairwise | Listed | None]


def build_choices(catalogue: Catalogue, product: int, rules: Sequence[BoundRule]) -> Choices:
    """Candidates of every slot, and what constrains them: None where every combination is legal."""
    candidates = [catalogue.candidates(product, slot) for slot in range(catalogue.num_slots)]
    if not rules:
        return tuple(candidates), None
    for bound in rules:
        if isinstance(bound.rule, (Pin, Block)):
            for slot in bound.slots or range(len(candidates)):
                same = candidates[slot] == bound.rows[0]
                candidates[slot] = candidates[slot][same if isinstance(bound.rule, Pin) else ~same]
    sizes = tuple(len(rows) for rows in candidates)
    between = [bound for bound in rules if not isinstance(bound.rule, (Pin, Block))]
    if not between or 0 in sizes:
        return tuple(candidates), None
    pairs = _PairTables(candidates)
    forbidden = [bound.rows for bound in between if isinstance(bound.rule, Forbid)]
    if forbidden:
        pairs.forbid(np.concatenate(forbidden))
    for bound in between:
        if isinstance(bound.rule, Allow):
            pairs.allow(bound.slots, bound.pairs(product))
        elif isinstance(bound.rule, Distinct):
            pairs.distinct(bound.slots)
    pairwise = Pairwise(sizes, *pairs.tables(), pairs.exchanges)
    lists = [bound.rows for bound in between if isinstance(bound.rule, Only)]
    if lists:
        return tuple(candidates), Listed(sizes, _listed(candidates, lists, pairwise))
    return tuple(candidates), pairwise if pairwise.compatible else None


class _PairTables:
    """Collects what each rule takes away from pairs of slots."""

    def __init__(self, candidates: Sequence[Rows]) -> None:
        self._candidates = candidates
        self._orders = [np.argsort(rows, kind="stable") for rows in candidates]
        self._taken: dict[Pair, list[tuple[NDArray[np.intp], NDArray[np.intp]]]] = {}
        self._allowed: dict[Pair, Bools] = {}
        self.exchanges: dict[Pair, tuple[Rows, Rows]] = {}

    def positions(self, slot: int, rows: Rows) -> NDArray[np.intp]:
        """Position of each element row among the candidates of `slot`; -1 = not there."""
        candidates, order = self._candidates[slot], self._orders[slot]
        at = order[np.minimum(np.searchsorted(candidates, rows, sorter=order), len(candidates) - 1)]
        return np.where(candidates[at] == rows, at, -1)

    def _take(self, pair: Pair, first: NDArray[np.intp], second: NDArray[np.intp]) -> None:
        both = (first >= 0) & (second >= 0)
        if both.any():
            self._taken.setdefault(pair, []).append((first[both], second[both]))

    def forbid(self, pairs: Rows) -> None:
        """No pair [pair, 2] of element rows in any two slots."""
        found = [self.positions(slot, pairs) for slot in range(len(self._candidates))]
        there = [np.any(at >= 0, axis=0).tolist() for at in found]
        for c, d in combinations(range(len(found)), 2):
            if there[c][0] and there[d][1]:
                self._take((c, d), found[c][:, 0], found[d][:, 1])
            if there[c][1] and there[d][0]:
                self._take((c, d), found[c][:, 1], found[d][:, 0])

    def distinct(self, slots: Sequence[int]) -> None:
        """No element in two of `slots`, the empty element excepted."""
        for c, d in combinations(slots, 2):
            there, back = self.positions(d, self._candidates[c]), self.positions(c, self._candidates[d])
            shared = np.where(self._candidates[c] == EMPTY, -1, there)
            if (shared >= 0).any():
                self._take((c, d), np.arange(len(shared)), shared)
                self.exchanges[c, d] = there.astype(np.int32), back.astype(np.int32)

    def allow(self, slots: Sequence[int], pairs: Rows) -> None:
        """Only the pairs [pair, 2] of element rows in the two `slots`."""
        if slots[0] > slots[1]:
            slots, pairs = slots[::-1], pairs[:, ::-1]
        c, d = slots
        table = np.zeros((len(self._candidates[c]), len(self._candidates[d])), dtype=bool)
        first, second = self.positions(c, pairs[:, 0]), self.positions(d, pairs[:, 1])
        both = (first >= 0) & (second >= 0)
        table[first[both], second[both]] = True
        self._allowed[c, d] = self._allowed[c, d] & table if (c, d) in self._allowed else table

    def tables(self) -> tuple[Mapping[Pair, Bools], dict[Pair, int]]:
        """Compatibility by pair of slots, and how many candidates one candidate rules out at most, in either order."""
        removes: dict[Pair, int] = {}
        for pair in sorted({*self._taken, *self._allowed}):
            table, forward, backward = self._allowed.get(pair), 0, 0
            if table is not None:
                if pair not in self._taken and table.all():
                    continue
                forward, backward = int((~table).sum(axis=1).max()), int((~table).sum(axis=0).max())
            for first, second in self._taken.get(pair, ()):
                forward, backward = forward + int(np.bincount(first).max()), backward + int(np.bincount(second).max())
            removes[pair], removes[pair[1], pair[0]] = forward, backward
        return _LazyTables([(c, d) for c, d in removes if c < d], self._table), removes

    def _table(self, pair: Pair) -> Bools:
        shape = len(self._candidates[pair[0]]), len(self._candidates[pair[1]])
        table = self._allowed[pair].copy() if pair in self._allowed else np.ones(shape, dtype=bool)
        for first, second in self._taken.get(pair, ()):
            table[first, second] = False
        return table


class _LazyTables(Mapping[Pair, Bools]):
    """Tables made when first read: with a thousand candidates per slot most requests never read most of them."""

    def __init__(self, pairs: Sequence[Pair], make: Callable[[Pair], Bools]) -> None:
        self._make = make
        self._tables: dict[Pair, Bools | None] = dict.fromkeys(pairs)

    def __getitem__(self, pair: Pair) -> Bools:
        table = self._tables[pair]
        if table is None:
            table = self._tables[pair] = self._make(pair)
        return table

    def __contains__(self, pair: object) -> bool:
        return pair in self._tables

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def _listed(candidates: Sequence[Rows], lists: Sequence[Rows], pairwise: Pairwise) -> Rows:
    """Positions [num, slot] of the combinations in every list that keep the other rules, in lexicographic order."""
    at = _PairTables(candidates)
    kept: set[tuple[int, ...]] | None = None
    for rows in lists:
        found = np.column_stack([at.positions(slot, rows[:, slot]) for slot in range(len(candidates))]).astype(np.int32)
        found = found[(found >= 0).all(axis=1)]
        found = found[pairwise.is_legal(found)]
        listed = set(map(tuple, found.tolist()))
        kept = listed if kept is None else kept & listed
    return np.array(sorted(kept or ()), dtype=np.int32).reshape(-1, len(candidates))


def why_empty(
    catalogue: Catalogue, product: int, rules: Sequence[BoundRule], is_empty: Callable[[Sequence[BoundRule]], bool]
) -> RuleError:
    """The error that names what leaves `product` no legal combination.

    Rules are added in order, pins and blocks before rules between slots, the request's after the catalogue's. The one
    that empties the choice is to blame, together with the fewest earlier ones without which it would not: none of
    those named can be left out.
    """
    product_id = str(catalogue.products["product_id"][product])
    for slot, named in enumerate(catalogue.slots):
        if named.required and not len(catalogue.pool(product, slot)):
            reason = f"no approved element for required slot {named.name!r}"
            return RuleError(f"Product {product_id!r} has no legal combination: {reason}.", rule=reason)
    ordered = sorted(rules, key=lambda bound: not isinstance(bound.rule, (Pin, Block)))
    guilty: list[BoundRule] = []
    while not guilty or not is_empty(guilty):
        guilty.append(ordered[_first_emptying(guilty, ordered, is_empty)])
    rule = str(guilty[0].rule)
    others = "".join(f", together with the rule: {bound.rule}" for bound in guilty[1:])
    hint = _why_no_candidate(catalogue, product, guilty)
    return RuleError(
        f"Product {product_id!r} has no legal combination left by the rule: {rule}{others}{hint}.", rule=rule
    )


def _first_emptying(
    guilty: Sequence[BoundRule], ordered: Sequence[BoundRule], is_empty: Callable[[Sequence[BoundRule]], bool]
) -> int:
    """Index of the rule of `ordered` at which `guilty` and the rules up to it leave nothing."""
    low, high = 0, len(ordered)
    while high - low > 1:
        middle = (low + high) // 2
        if is_empty([*guilty, *ordered[:middle]]):
            high = middle
        else:
            low = middle
    return high - 1


def _why_no_candidate(catalogue: Catalogue, product: int, guilty: Sequence[BoundRule]) -> str:
    """Why a pinned element is no candidate, where a pin alone is to blame."""
    if len(guilty) > 1 or not isinstance(guilty[0].rule, Pin):
        return ""
    row = int(guilty[0].rows[0])
    element = catalogue.elements.row(row, named=True)
    component = catalogue.slots[guilty[0].slots[0]].component
    if element["component"] != component:
        return f". The element is a {element['component']!r}, the slot shows a {component!r}"
    if catalogue.element_product[row] not in (-1, product):
        return f". The element belongs to product {element['product_id']!r}"
    return f". The element's status is {element['status']!r}"
