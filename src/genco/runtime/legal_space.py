"""The legal combinations of one product: candidates of every slot, and exact answers on what may stand together.

Combinations are *positions* into `candidates`, int32 [batch, slot]; element rows appear only in `candidates`.
`runtime.rule_book` says how rules are read, `runtime.legal_space_building` how they become constraints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.errors import ConfigError
from genco.runtime.legal_space_building import Choices, build_choices, why_empty
from genco.runtime.listed import Listed
from genco.runtime.pairwise import Exchanges, Pairwise
from genco.runtime.rule_book import RuleBook

__all__ = ["LegalSpace", "RuleBook", "legal_space"]

Positions = NDArray[np.int32]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
DISTINCT_FROM = 256


@dataclass(frozen=True, eq=False)
class LegalSpace:
    """What may be shown for one product.

    candidates: per slot int32 [n_c] element rows: approved, after pins, blocks and exclusions; the empty element (-1)
    last where the slot is not required · rules: what they must keep together, None = every combination is legal.
    """

    candidates: tuple[Positions, ...]
    rules: Pairwise | Listed | None = None

    @property
    def num_slots(self) -> int:
        return len(self.candidates)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of candidates of each slot."""
        return tuple(len(rows) for rows in self.candidates)

    @property
    def size_bound(self) -> int:
        """Number of combinations before rules between slots: at least the number of legal ones."""
        return prod(self.sizes)

    @property
    def is_constrained(self) -> bool:
        """Whether some combination of candidates may be illegal."""
        return self.rules is not None

    @property
    def compatible(self) -> Mapping[tuple[int, int], Bools]:
        """(c, c') with c < c' -> bool [n_c, n_c'] of the pairs of slots that carry a rule. Nothing under `only`."""
        return self.rules.compatible if isinstance(self.rules, Pairwise) else {}

    @property
    def exchanges(self) -> Exchanges:
        """(c, c') with c < c' whose elements may have to change places, as no element may stand in both -> where each
        candidate of c stands in c' [n_c], and each of c' in c [n_c'], -1 = nowhere. Nothing under `only`."""
        return self.rules.exchanges if isinstance(self.rules, Pairwise) else {}

    @property
    def only(self) -> Positions | None:
        """The legal combinations [num, slot] of an `only` rule, those that break another rule left out."""
        return self.rules.only if isinstance(self.rules, Listed) else None

    @cached_property
    def is_empty(self) -> bool:
        """Whether there is no legal combination. Only restrictions can be: `legal_space` raises instead."""
        return 0 in self.sizes or not self.mask(np.zeros((1, 0), dtype=np.int32)).any()

    def mask(self, prefix: Positions) -> Bools:
        """Candidates [K, n_c] of slot c that extend `prefix` [K, c] to at least one legal combination; exact.

        True = may be chosen. A prefix chosen through masks therefore never runs into a dead end.
        """
        if self.rules is None:
            return np.ones((len(prefix), self.sizes[prefix.shape[1]]), dtype=bool)
        return self.rules.mask(prefix)

    def is_legal(self, positions: Positions) -> Bools:
        """Whether each of `positions` [batch, slot] is a legal combination; positions out of range are not."""
        inside: Bools = np.all((positions >= 0) & (positions < np.array(self.sizes)), axis=1)
        if self.rules is None:
            return inside
        if not inside.all():
            positions = np.where(inside[:, None], positions, 0)
        return np.asarray(inside & self.rules.is_legal(positions))

    def neighbours(self, positions: Positions, slot: int) -> Bools:
        """Candidates [K, n_slot] that may stand in `slot` with the other slots of `positions` [K, slot] kept."""
        if self.rules is None:
            return np.ones((len(positions), self.sizes[slot]), dtype=bool)
        return self.rules.neighbours(positions, slot)

    def restricted(self, slot: int, position: int) -> LegalSpace:
        """The part of this space that shows candidate `position` in `slot`; candidates and positions stay as they are.

        It may be empty: see `is_empty`.
        """
        rules = self.rules if self.rules is not None else Pairwise(self.sizes, {}, {})
        return replace(self, rules=rules.restricted(slot, position))

    def count(self, limit: int) -> int:
        """Exact number of legal combinations, or `limit + 1` when there are more than `limit`."""
        if self.rules is None:
            return min(self.size_bound, limit + 1)
        if isinstance(self.rules, Listed):
            return min(len(self.rules.only), limit + 1)
        prefix = self._prefixes(self.num_slots - 1, limit)
        return limit + 1 if prefix is None else min(int(self.mask(prefix).sum()), limit + 1)

    def enumerate(self, limit: int) -> Positions:
        """Every legal combination [num, slot] in lexicographic order. Raises `ConfigError` over `limit`."""
        found = self._prefixes(self.num_slots, limit)
        if found is None:
            raise ConfigError(
                f"Parameter `limit` should be at least the number of legal combinations. Found `limit = {limit}`, "
                f"and more than {limit} legal combinations."
            )
        return found

    def _prefixes(self, num_slots: int, limit: int) -> Positions | None:
        """Legal prefixes over the first slots [num, num_slots], None when there are more than `limit`."""
        if self.rules is None:
            sizes = self.sizes[:num_slots]
            if prod(sizes) > limit:
                return None
            return np.indices(sizes, dtype=np.int32).reshape(num_slots, prod(sizes)).T.copy()
        prefix = np.zeros((1, 0), dtype=np.int32)
        for _ in range(num_slots):
            row, choice = np.nonzero(self.mask(prefix))
            if len(row) > limit:
                return None
            prefix = np.column_stack([prefix[row], choice]).astype(np.int32)
        return prefix

    def uniform_log_prob(self, positions: Positions) -> Floats:
        """Log-probability [batch] of being drawn by `sample_uniform`; -inf for illegal combinations."""
        legal = self.is_legal(positions)
        if self.rules is None:
            return np.where(legal, -sum(np.log(size) for size in self.sizes), -np.inf)
        total = np.where(legal, 0.0, -np.inf)
        for mask, row in self._masks_along(positions[legal]):
            total[legal] -= np.log(mask.sum(axis=1))[row]
        return total

    def _masks_along(self, positions: Positions) -> Iterator[tuple[Bools, NDArray[np.intp]]]:
        """Per slot the masks [U, n_c] of distinct prefixes and the mask's row of each combination [batch]."""
        prefix, row = np.zeros((1, 0), dtype=np.int32), np.zeros(len(positions), dtype=np.intp)
        for slot in range(self.num_slots):
            yield self.mask(prefix), row
            prefix, row = _extended(prefix, row, positions[:, slot], self.sizes[slot])

    def sample_uniform(self, rng: np.random.Generator, num: int) -> Positions:
        """`num` independent combinations [num, slot], each slot uniform over its mask given the slots before."""
        if self.rules is None:
            return np.column_stack([rng.integers(size, size=num, dtype=np.int32) for size in self.sizes])
        chosen = np.zeros((num, self.num_slots), dtype=np.int32)
        prefix, row = np.zeros((1, 0), dtype=np.int32), np.zeros(num, dtype=np.intp)
        for slot in range(self.num_slots):
            mask = self.mask(prefix)
            legal_first = np.argsort(~mask, axis=1, kind="stable")
            pick = rng.integers(mask.sum(axis=1)[row])
            chosen[:, slot] = legal_first[row, pick]
            prefix, row = _extended(prefix, row, chosen[:, slot], self.sizes[slot])
        return chosen


def _extended(
    prefix: Positions, row: NDArray[np.intp], choice: Positions, size: int
) -> tuple[Positions, NDArray[np.intp]]:
    """Prefixes grown by `choice` [batch], and the row of each; distinct where the batch is large enough to repay it."""
    if len(choice) < DISTINCT_FROM:
        return np.column_stack([prefix[row], choice]).astype(np.int32), np.arange(len(choice))
    keys, row = np.unique(row * size + choice, return_inverse=True)
    before, last = np.divmod(keys, size)
    return np.column_stack([prefix[before], last]).astype(np.int32), row


def legal_space(
    catalogue: Catalogue,
    product: int,
    pinned: Mapping[str, str] | None = None,
    excluded: Collection[str] = (),
    book: RuleBook | None = None,
) -> LegalSpace:
    """The legal space of product row `product`, with the request's pins (slot name -> element id) and exclusions.

    `book` saves reading the rules again for every product. Raises `RuleError`, which names the rule that empties the
    choice, and `UnknownIdError` for a slot or element the catalogue does not have.
    """
    if book is None:
        book = RuleBook(catalogue)
    rules = book.rules(product)
    if pinned or excluded:
        rules = rules + book.request_rules(product, pinned or {}, excluded)
    space = _space(build_choices(catalogue, product, rules))
    if space.is_empty:
        raise why_empty(
            catalogue, product, rules, lambda kept: _space(build_choices(catalogue, product, kept)).is_empty
        )
    return space


def _space(choices: Choices) -> LegalSpace:
    return LegalSpace(*choices)
