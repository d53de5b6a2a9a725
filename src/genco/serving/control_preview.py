"""What changes would do to the traffic of a product, before they are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.errors import RuleError
from genco.policies.generative import MAX_ENUMERATED
from genco.policies.optimizer import Optimizer
from genco.serving.changes import Change, PauseExploration, PinElement

DRAWS = 4_096
Shares = dict[str | None, float]


@dataclass(frozen=True)
class ElementTraffic:
    """Share of the product's impressions in which the slot shows the element; None = the slot stays empty."""

    element_id: str | None
    before: float
    after: float


@dataclass(frozen=True)
class SlotTraffic:
    """Elements of one slot, the largest change first; each side adds up to 1, or to 0 where nothing is legal."""

    slot_id: str
    elements: tuple[ElementTraffic, ...]


@dataclass(frozen=True)
class Traffic:
    """One product in one context under the served policy. exact: probabilities, else shares of `DRAWS` draws ·
    click_probability: expected over what is served, None where nothing is legal."""

    product_id: str
    exact: bool
    slots: tuple[SlotTraffic, ...]
    click_probability_before: float | None
    click_probability_after: float | None


@dataclass(frozen=True)
class _Served:
    """shares: of each slot · click_probability: expected."""

    exact: bool
    shares: list[Shares]
    click_probability: float | None


def traffic(
    changes: Sequence[Change], before: Optimizer, after: Optimizer, product_id: str, context: Mapping[str, Any]
) -> Traffic:
    """Shares before and after in the slots that the changes are about. Raises `GencoError` for an unknown product or
    context."""
    encoded = before.context({name: value for name, value in context.items() if value is not None})
    product = before.catalogue.product_row(product_id)
    old, new = _served(before, product, encoded), _served(after, product, encoded)
    slots = [
        SlotTraffic(before.slot_names[slot], _compared(old.shares[slot], new.shares[slot]))
        for slot in _affected(changes, before)
    ]
    return Traffic(product_id, old.exact and new.exact, tuple(slots), old.click_probability, new.click_probability)


def _affected(changes: Sequence[Change], optimizer: Optimizer) -> list[int]:
    """Slots that a change names, or that may show an element it names; all where it stops exploration."""
    catalogue = optimizer.catalogue
    found: set[int] = set()
    for change in changes:
        if isinstance(change, PauseExploration):
            return list(range(catalogue.num_slots))
        if isinstance(change, PinElement):
            found.add(optimizer.slot_names.index(change.slot_id))
        rows = [catalogue.element_rows[name] for name in change.element_ids if name in catalogue.element_rows]
        shown = set(catalogue.elements["component"].gather(rows))
        found |= {i for i, slot in enumerate(catalogue.slots) if slot.component in shown}
    return sorted(found)


def _served(optimizer: Optimizer, product: int, context: NDArray[np.float32]) -> _Served:
    policy = optimizer.policy
    try:
        request = policy.request(product, context)
    except RuleError:
        return _Served(True, [{} for _ in optimizer.slot_names], None)
    decision, exact = policy.decide(request), request.space.count(MAX_ENUMERATED) <= MAX_ENUMERATED
    if exact:
        positions = request.space.enumerate(MAX_ENUMERATED)
        weight = decision.propensity(positions)
    else:
        positions = decision.sample(policy.rng("preview", product, context.tobytes().hex()), DRAWS)
        weight = np.full(DRAWS, 1.0 / DRAWS)
    probability = policy.click_probability(request, policy.scores(request, positions))
    shares = []
    for slot, candidates in enumerate(request.space.candidates):
        total = np.bincount(positions[:, slot], weight, len(candidates))
        names = optimizer.catalogue.combination_ids(candidates)
        shares.append({name: float(share) for name, share in zip(names, total, strict=True)})
    return _Served(exact, shares, float(weight @ probability))


def _compared(old: Shares, new: Shares) -> tuple[ElementTraffic, ...]:
    rows = [ElementTraffic(name, old.get(name, 0.0), new.get(name, 0.0)) for name in {**old, **new}]
    return tuple(sorted(rows, key=lambda row: (-abs(row.after - row.before), -row.before, row.element_id or "")))
