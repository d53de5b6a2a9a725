"""One model on one state of the catalogue, ready to answer. Immutable: a change makes another, swapped in whole."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.errors import DataError, RuleError, UnknownIdError
from genco.policies.generative import ALONE_DECISIONS
from genco.policies.optimizer import Optimizer
from genco.runtime.decision import Decision
from genco.runtime.legal_space import LegalSpace, legal_space
from genco.runtime.recent import Recent
from genco.serving.candidate_sets import CandidateSet, beside
from genco.serving.errors import ApiError

Combination = tuple[str | None, ...]
Positions = NDArray[np.int32]
CACHE_ENTRIES = 20_000
WARM_PRODUCTS = 16
BROUGHT_SETS = 256


@dataclass(frozen=True)
class Question:
    """A request on rows: product, encoded context, what it pins and excludes, and its legal space."""

    product: int
    context: NDArray[np.float32]
    pinned: dict[str, str]
    excluded: frozenset[str]
    space: LegalSpace

    @property
    def is_plain(self) -> bool:
        """Whether it neither pins nor excludes anything."""
        return not self.pinned and not self.excluded

    @property
    def key(self) -> tuple[int, bytes]:
        """What the served distribution of a plain question depends on."""
        return self.product, self.context.tobytes()


class ServedModel:
    """optimizer: under the controls of `catalogue_version` · withheld: elements that may not be shown, though the
    catalogue lacks them, so that a request cannot bring them along · entries: how many questions are remembered."""

    def __init__(
        self,
        optimizer: Optimizer,
        catalogue_version: int,
        withheld: frozenset[str] = frozenset(),
        entries: int = CACHE_ENTRIES,
    ) -> None:
        self.withheld, self._entries = withheld, entries
        self.optimizer, self.catalogue_version = optimizer, catalogue_version
        self.policy = optimizer.policy
        self.version = self.policy.version
        self.catalogue = optimizer.catalogue
        self.slot_names = optimizer.slot_names
        self._element_ids = list(self.catalogue.element_rows)
        self._brought: Recent[tuple[str, str], ServedModel] = Recent(BROUGHT_SETS)
        self._contexts: dict[Hashable, NDArray[np.float32]] = {}
        self._spaces: dict[int, LegalSpace] = {}
        self._decisions: dict[tuple[int, bytes], Decision] = {}

    def with_candidates(self, product_id: str, candidates: CandidateSet) -> ServedModel:
        """The same model on one product and what a request brought along; the last `BROUGHT_SETS` are remembered, with
        `ALONE_DECISIONS` questions each, fewer together than the model's own.

        Raises `ApiError` 422 where a text cannot be encoded.
        """
        key = product_id, candidates.digest
        found = self._brought.get(key)
        if found is None:
            brought = beside(self.optimizer, product_id, candidates)
            found = ServedModel(brought, self.catalogue_version, entries=ALONE_DECISIONS)
            self._brought.put(key, found)
        return found

    def question(
        self,
        product_id: str,
        context: Mapping[str, Any],
        pinned: Mapping[str, str] | None = None,
        excluded: Sequence[str] = (),
        candidates: Mapping[str, frozenset[str]] | None = None,
    ) -> Question:
        """Read a request against the catalogue. candidates: slot -> the elements it may show, where it says so.

        Raises `ApiError`: 404 for an unknown product, 422 for an unknown slot, element or context, and where nothing is
        legal.
        """
        product = self.catalogue.product_rows.get(product_id)
        if product is None:
            raise ApiError(404, "unknown_product", f"The catalogue has no product {product_id!r}.")
        out = frozenset(excluded) | self._left_out(product, candidates or {})
        try:
            space = self._space(product, dict(pinned or {}), out)
            return Question(product, self._context(context), dict(pinned or {}), out, space)
        except UnknownIdError as error:
            raise ApiError(422, "unknown_id", str(error)) from error
        except DataError as error:
            raise ApiError(422, "bad_context", str(error)) from error
        except RuleError as error:
            raise ApiError(422, "no_legal_combination", str(error)) from error

    def choose(self, question: Question, rng: np.random.Generator) -> tuple[Combination, float]:
        """One combination from the exploring policy and its exact propensity. One thread at a time."""
        decision = self.remembered(question)
        if decision is None:
            request = self.policy.request(question.product, question.context, question.pinned, question.excluded)
            decision = self.policy.decide(request)
            if question.is_plain:
                self._remember(self._decisions, question.key, decision)
        return self.chosen(decision, rng)

    def remembered(self, question: Question) -> Decision | None:
        """The served distribution, where this question was asked lately. From any thread."""
        return self._decisions.get(question.key) if question.is_plain else None

    def chosen(self, decision: Decision, rng: np.random.Generator) -> tuple[Combination, float]:
        """One combination of a served distribution and its exact propensity."""
        positions, propensity = decision.choose(rng)
        return self.ids(decision.space, positions), propensity

    def distribution(self, question: Question) -> tuple[list[Combination], NDArray[np.float64]]:
        """All legal combinations of a single-slot run and the propensity of each."""
        request = self.policy.request(question.product, question.context, question.pinned, question.excluded)
        positions = question.space.enumerate(question.space.size_bound)
        return self.legal(question), self.policy.decide(request).propensity(positions)

    def legal(self, question: Question) -> list[Combination]:
        """All legal combinations of a single-slot run."""
        return [self.ids(question.space, row) for row in question.space.enumerate(question.space.size_bound)]

    def baseline(self, space: LegalSpace) -> Combination:
        """The first approved candidate of every slot that the rules let stand together."""
        prefix = np.zeros((1, 0), dtype=np.int32)
        for _ in range(space.num_slots):
            first = space.mask(prefix)[0].argmax()
            prefix = np.append(prefix, [[first]], axis=1).astype(np.int32)
        return self.ids(space, prefix[0])

    def check_legal(self, space: LegalSpace, combination: Mapping[str, str | None]) -> Combination:
        """The caller's combination in order of slots. Raises `ApiError` unless it is whole, known and legal."""
        for name in combination:
            if name not in self.slot_names:
                raise ApiError(422, "unknown_id", f"The run has no slot {name!r} (`baseline`).")
        ids = tuple(combination.get(name) for name in self.slot_names)
        rows = [EMPTY if name is None else self.catalogue.element_rows.get(name, -2) for name in ids]
        places = [np.flatnonzero(have == row) for have, row in zip(space.candidates, rows, strict=True)]
        for name, element, place in zip(self.slot_names, ids, places, strict=True):
            if not len(place):
                shown = "stay empty" if element is None else f"show {element!r}"
                raise ApiError(422, "baseline_not_legal", f"Slot {name!r} of the baseline may not {shown} now.")
        if not space.is_legal(np.array([[place[0] for place in places]], dtype=np.int32))[0]:
            raise ApiError(422, "baseline_not_legal", "The rules do not let the baseline's elements stand together.")
        return ids

    def may_show(self, space: LegalSpace, combination: Combination) -> bool:
        """Whether element ids, one a slot, are all there, approved and legal together."""
        try:
            positions = self.positions(space, combination)
        except (KeyError, IndexError, ValueError):
            return False
        return bool(space.is_legal(positions[None])[0])

    def ids(self, space: LegalSpace, positions: Positions) -> Combination:
        """Element ids of positions [slot], None for the empty element."""
        rows = [int(have[at]) for have, at in zip(space.candidates, positions, strict=True)]
        return tuple(None if row == EMPTY else self._element_ids[row] for row in rows)

    def positions(self, space: LegalSpace, combination: Combination) -> Positions:
        """Positions [slot] of element ids, the inverse of `ids`. Raises `KeyError`, `IndexError`, `ValueError`."""
        rows = [EMPTY if name is None else self.catalogue.element_rows[name] for name in combination]
        return np.array([np.flatnonzero(c == row)[0] for c, row in zip(space.candidates, rows, strict=True)], np.int32)

    def fitting(self, slot_name: str, element_ids: Sequence[str], left_out: frozenset[str]) -> list[str]:
        """Those of the elements that the slot's component has, `left_out` left out.

        Raises `ApiError` 422 for an element the catalogue does not have, and where none fits.
        """
        component = self.catalogue.components.index(self.catalogue.slots[self.slot_names.index(slot_name)].component)
        found = []
        for name in element_ids:
            row = self.catalogue.element_rows.get(name)
            if row is None:
                raise ApiError(422, "unknown_id", f"The catalogue has no element {name!r}.")
            if self.catalogue.element_component[row] == component and name not in left_out:
                found.append(name)
        if not found:
            raise ApiError(422, "no_legal_combination", f"None of the elements may stand in slot {slot_name!r}.")
        return found

    def product_of(self, element_ids: Sequence[str]) -> str | None:
        """The one product that owns any of these elements, or the catalogue's only product; None where unclear."""
        rows = [self.catalogue.element_rows[name] for name in element_ids if name in self.catalogue.element_rows]
        owners = {int(self.catalogue.element_product[row]) for row in rows} - {-1}
        if not owners and self.catalogue.num_products == 1:
            owners = {0}
        return str(self.catalogue.products["product_id"][owners.pop()]) if len(owners) == 1 else None

    def warm_up(self) -> None:
        """Answer for the first products, so that no caller pays for what is made once."""
        rng = np.random.default_rng(0)
        for product_id in self.catalogue.products["product_id"][:WARM_PRODUCTS]:
            try:
                self.choose(self.question(str(product_id), {}), rng)
            except ApiError:
                continue  # a product without a legal combination is told so when it is asked for

    def _context(self, values: Mapping[str, Any]) -> NDArray[np.float32]:
        key = tuple(sorted((name, type(value), value) for name, value in values.items()))
        found = self._contexts.get(key)
        if found is None:
            known = {name: value for name, value in values.items() if value is not None}
            found = self.optimizer.context(known)
            self._remember(self._contexts, key, found)
        return found

    def _space(self, product: int, pinned: dict[str, str], excluded: frozenset[str]) -> LegalSpace:
        if pinned or excluded:
            return legal_space(self.catalogue, product, pinned, excluded, book=self.policy.rule_book)
        found = self._spaces.get(product)
        if found is None:
            found = legal_space(self.catalogue, product, book=self.policy.rule_book)
            self._remember(self._spaces, product, found)
        return found

    def _left_out(self, product: int, candidates: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """Elements of the pools that the request's candidates leave out."""
        by_component: dict[str, frozenset[str]] = {}
        out: set[str] = set()
        for name, allowed in candidates.items():
            if name not in self.slot_names:
                raise ApiError(422, "unknown_id", f"The run has no slot {name!r} (`slots`).")
            slot = self.slot_names.index(name)
            for element in allowed:
                if element not in self.catalogue.element_rows:
                    raise ApiError(422, "unknown_id", f"The catalogue has no element {element!r} (`slots`).")
            if by_component.setdefault(self.catalogue.slots[slot].component, allowed) != allowed:
                raise ApiError(422, "candidates_differ", "Slots of one component should have the same candidates.")
            out |= {self._element_ids[row] for row in self.catalogue.pool(product, slot)} - allowed
        return frozenset(out)

    def _remember(self, cache: dict[Any, Any], key: Hashable, value: Any) -> None:
        """Add an entry; the oldest goes where there are too many."""
        if len(cache) >= self._entries:
            cache.pop(next(iter(cache)), None)  # of several threads, each may evict
        cache[key] = value
