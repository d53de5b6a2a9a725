"""Whether slots that constrain each other can all be filled: their graph, and a search with memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Pair = tuple[int, int]
MEMORY = 200_000


class CompletionSearch:
    """What is derived from the pairs of one space, made when first asked for, and shared by its restrictions.

    compatible: (c, c') with c < c' -> [n_c, n_c'] · removes: (c, c') in either order -> at most how many candidates
    of c' one candidate of c rules out.
    """

    def __init__(self, num_slots: int, compatible: Mapping[Pair, Bools], removes: Mapping[Pair, int]) -> None:
        self._num_slots, self._compatible, self._removes = num_slots, compatible, removes
        self._tables: dict[Pair, Bools] = {}
        self._weights: dict[Pair, NDArray[np.float32]] = {}
        self._bits: dict[Pair, list[int]] = {}
        self._taken: dict[Pair, int] = {}
        self._components: dict[int, tuple[list[list[Pair]], list[list[int]]]] = {}
        self._memory: dict[tuple[tuple[int, int], ...], bool] = {}

    def table(self, slot: int, other: int) -> Bools | None:
        """Compatibility [n_slot, n_other], or None where the two slots do not constrain each other."""
        if (slot, other) in self._compatible:
            return self._compatible[slot, other]
        found = self._tables.get((slot, other))
        if found is None and (other, slot) in self._compatible:
            found = self._tables[slot, other] = np.ascontiguousarray(self._compatible[other, slot].T)
        return found

    def weights(self, slot: int, other: int) -> NDArray[np.float32]:
        """`table` as numbers, for matrix products."""
        found = self._weights.get((slot, other))
        if found is None:
            table = self.table(slot, other)
            assert table is not None
            found = self._weights[slot, other] = table.astype(np.float32)
        return found

    def taken(self, first: int, slot: int) -> int:
        """At most how many candidates of `slot` the slots from `first` up to it can take away."""
        found = self._taken.get((first, slot))
        if found is None:
            found = self._taken[first, slot] = sum(self._removes.get((c, slot), 0) for c in range(first, slot))
        return found

    def components(self, first: int) -> tuple[list[list[Pair]], list[list[int]]]:
        """Connected slots from `first` on: trees as (slot, parent), leaves first, root last; and the others as lists.

        The component of `first` comes first in its list and has `first` as its root. A slot by itself is a tree.
        """
        found = self._components.get(first)
        if found is None:
            found = self._components[first] = self._find_components(first)
        return found

    def _find_components(self, first: int) -> tuple[list[list[Pair]], list[list[int]]]:
        trees, tangles = [], []
        seen: set[int] = set()
        for root in range(first, self._num_slots):
            if root in seen:
                continue
            order, edges = [(root, -1)], 0
            seen.add(root)
            for slot, _ in order:
                for other in range(first, self._num_slots):
                    if (slot, other) in self._removes:
                        edges += 1
                        if other not in seen:
                            seen.add(other)
                            order.append((other, slot))
            if edges == 2 * (len(order) - 1):
                trees.append(order[::-1])
            else:
                tangles.append([slot for slot, _ in order])
        return trees, tangles

    def fillable(self, domains: Mapping[int, Bools], num: int) -> Bools:
        """Rows [num] in which every slot of `domains` (slot -> [num or 1, n]) can be filled."""
        packed = {slot: _bits(domain) for slot, domain in domains.items()}
        found = np.zeros(num, dtype=bool)
        for row in range(num):
            found[row] = self._fill({slot: bits[row if len(bits) > 1 else 0] for slot, bits in packed.items()})
        return found

    def _fill(self, domains: dict[int, int]) -> bool:
        """Depth first on the slot with the fewest candidates left; domains: slot -> bits."""
        if not all(domains.values()):
            return False
        if self._surely(domains):
            return True
        key = tuple(sorted(domains.items()))
        known = self._memory.get(key)
        if known is not None:
            return known
        slot = min(domains, key=lambda s: (domains[s].bit_count(), s))
        found, left = False, domains[slot]
        while left and not found:
            lowest = left & -left
            left ^= lowest
            found = self._fill(self._after(domains, slot, lowest.bit_length() - 1))
        if len(self._memory) >= MEMORY:
            self._memory.clear()
        self._memory[key] = found
        return found

    def _after(self, domains: dict[int, int], slot: int, choice: int) -> dict[int, int]:
        left = {}
        for other, bits in domains.items():
            if other != slot:
                left[other] = bits & self._bits_of(slot, other)[choice] if (slot, other) in self._removes else bits
        return left

    def _surely(self, domains: dict[int, int]) -> bool:
        before: list[int] = []
        for slot in sorted(domains, key=lambda s: domains[s].bit_count()):
            if domains[slot].bit_count() <= sum(self._removes.get((other, slot), 0) for other in before):
                return False
            before.append(slot)
        return True

    def _bits_of(self, slot: int, other: int) -> list[int]:
        found = self._bits.get((slot, other))
        if found is None:
            table = self.table(slot, other)
            assert table is not None
            found = self._bits[slot, other] = _bits(table)
        return found


def _bits(table: Bools) -> list[int]:
    """Rows of `table` [row, n] as integers, candidate i in bit i."""
    packed = np.packbits(table, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
