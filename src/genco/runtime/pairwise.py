"""Legal combinations given by pairs of slots: exact look-ahead, so that no prefix runs into a dead end.

Whether a prefix can be completed is answered by the cheapest sufficient reason that holds:
1. every later slot has more candidates left than the slots between can take away: yes, for all rows at once;
2. the constrained slots form trees: one boolean matrix product per pair of slots is exact;
3. otherwise each candidate is tried, and what 1. and 2. leave open is searched depth first, with a memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genco.runtime.completion_search import CompletionSearch

Positions = NDArray[np.int32]
Bools = NDArray[np.bool_]
Pair = tuple[int, int]
Domains = dict[int, Bools]
Exchanges = Mapping[Pair, tuple[Positions, Positions]]
CHUNK = 4_096


@dataclass(frozen=True, eq=False)
class Pairwise:
    """Legal are the combinations whose pairs are compatible and whose candidates are allowed.

    sizes: number of candidates of each slot · compatible: (c, c') with c < c' -> [n_c, n_c'] · removes: (c, c') in
    either order -> at most how many candidates of c' one candidate of c rules out · exchanges: (c, c') with c < c' that
    share candidates which may not stand in both -> where each candidate of c stands in c' [n_c], and each of c' in c
    [n_c'], -1 = nowhere · allowed: slot -> [n_c], absent = all · search: shared by all restrictions of one space.
    """

    sizes: tuple[int, ...]
    compatible: Mapping[Pair, Bools]
    removes: Mapping[Pair, int]
    exchanges: Exchanges = field(default_factory=dict)
    allowed: Mapping[int, Bools] = field(default_factory=dict)
    search: CompletionSearch | None = None

    @cached_property
    def _search(self) -> CompletionSearch:
        return self.search or CompletionSearch(len(self.sizes), self.compatible, self.removes)

    @cached_property
    def _full(self) -> Domains:
        """Per slot what is allowed before anything is chosen [1, n_c]."""
        return {c: self.allowed.get(c, np.ones(size, dtype=bool))[None] for c, size in enumerate(self.sizes)}

    def restricted(self, slot: int, position: int) -> Pairwise:
        """The legal combinations that show candidate `position` in `slot`."""
        chosen = np.zeros(self.sizes[slot], dtype=bool)
        chosen[position] = self._full[slot][0, position]
        return replace(self, allowed={**self.allowed, slot: chosen}, search=self._search)

    def is_legal(self, positions: Positions) -> Bools:
        """Whether each of `positions` [batch, slot] keeps every rule."""
        legal = np.ones(len(positions), dtype=bool)
        for slot, allowed in self.allowed.items():
            legal &= allowed[positions[:, slot]]
        for (c, d), table in self.compatible.items():
            legal &= table[positions[:, c], positions[:, d]]
        return legal

    def neighbours(self, positions: Positions, slot: int) -> Bools:
        """Candidates [K, n_slot] that may stand in `slot` with the other slots of `positions` [K, slot] kept."""
        others = [c for c in range(len(self.sizes)) if c != slot]
        return self._rows(self._domain(positions, others, slot), len(positions))

    def mask(self, prefix: Positions) -> Bools:
        """Candidates [K, n_c] of the next slot that extend `prefix` [K, c] to a legal combination.

        A prefix is expected to keep the rules among its own slots; how it was chosen from masks grants that.
        """
        slot = prefix.shape[1]
        domains = {d: self._domain(prefix, range(slot), d) for d in range(slot, len(self.sizes))}
        unsure = self._unsure(domains, slot)
        legal = self._rows(domains[slot], len(prefix))
        if not unsure.any():
            return legal
        if len(unsure) == 1:
            return self._rows(self._supported(domains, slot), len(prefix))
        rows = np.flatnonzero(unsure)
        legal[rows] = self._supported(_take(domains, rows), slot)
        return legal

    def _rows(self, domain: Bools, num: int) -> Bools:
        return np.repeat(domain, num, axis=0) if len(domain) == 1 != num else domain.copy()

    def _domain(self, positions: Positions, chosen: range | list[int], slot: int) -> Bools:
        """What the `chosen` slots leave of `slot`: [K, n], or [1, n] where none of them matters."""
        domain = self._full[slot]
        fresh = True
        for other in chosen:
            table = self._search.table(other, slot)
            if table is None:
                continue
            kept = table[positions[:, other]]
            domain = (kept if slot not in self.allowed else kept & domain) if fresh else domain & kept
            fresh = False
        return domain

    def _unsure(self, domains: Domains, slot: int) -> Bools:
        """Rows [K or 1] in which a later slot may run empty."""
        unsure = np.zeros(1, dtype=bool)
        for later in range(slot + 1, len(self.sizes)):
            taken = self._search.taken(slot, later)
            if taken or len(domains[later]) > 1 or later in self.allowed:
                unsure = unsure | (domains[later].sum(axis=1) <= taken)
        return unsure

    def _supported(self, domains: Domains, slot: int) -> Bools:
        """Candidates [K or 1, n] of `slot` from which the later slots of `domains` can be filled."""
        trees, tangles = self._search.components(slot)
        if not any(slot in tangle for tangle in tangles):
            legal = self._reduced(trees[0], domains)
            return legal & self._completes(domains, trees[1:], tangles)[:, None]
        num = max(len(domain) for domain in domains.values())
        legal = self._rows(domains[slot], num)
        row, choice = np.nonzero(legal)
        for start in range(0, len(row), CHUNK):
            at, tried = row[start : start + CHUNK], choice[start : start + CHUNK]
            left = _take({d: domain for d, domain in domains.items() if d > slot}, at)
            for later, domain in left.items():
                table = self._search.table(slot, later)
                left[later] = domain if table is None else domain & table[tried]
            legal[at, tried] = self._open(left, slot + 1)
        return legal

    def _open(self, domains: Domains, slot: int) -> Bools:
        """Rows [K] in which the slots from `slot` on can all be filled."""
        num = max(len(domain) for domain in domains.values())
        possible = np.ones(num, dtype=bool)
        for domain in domains.values():
            possible &= domain.any(axis=1)
        rows = np.flatnonzero(possible & self._unsure(domains, slot))
        if len(rows):
            possible[rows] = self._completes(_take(domains, rows), *self._search.components(slot))
        return possible

    def _completes(self, domains: Domains, trees: list[list[Pair]], tangles: list[list[int]]) -> Bools:
        """Rows [K or 1] in which every tree and every tangle of slots can be filled."""
        possible = np.ones(1, dtype=bool)
        for tree in trees:
            possible = possible & self._reduced(tree, domains).any(axis=1)
        for tangle in tangles:
            num = max(len(domains[slot]) for slot in tangle)
            searched = self._search.fillable({slot: domains[slot] for slot in tangle}, num)
            possible = possible & searched
        return possible

    def _reduced(self, tree: list[Pair], domains: Domains) -> Bools:
        """Candidates [K or 1, n] of the tree's root from which the whole tree can be filled."""
        left = dict(domains)
        for slot, parent in tree[:-1]:
            reached = left[slot].astype(np.float32) @ self._search.weights(slot, parent) > 0.5
            left[parent] = left[parent] & reached
        return left[tree[-1][0]]


def _take(domains: Domains, rows: NDArray[np.integer]) -> Domains:
    return {slot: domain if len(domain) == 1 else domain[rows] for slot, domain in domains.items()}
