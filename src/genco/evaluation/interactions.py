"""Which elements help each other and which clash: pair effects of a request, purified over the reference pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.evaluation.element_table import ElementView, element_view
from genco.policies.generative import Request
from genco.policies.optimizer import Optimizer
from genco.runtime.attribution import Z_95

MAX_CELLS = 12
SMALLEST_EFFECT = 0.005
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairEffect:
    """What two elements add together beyond what each adds alone, in logits, with its 95% interval.

    Of elements of one component, `first` stands in the earlier slot: the other order is another pair. first_own,
    second_own: what each adds alone in this context.
    """

    product_id: str
    first: ElementView
    second: ElementView
    first_own: float
    second_own: float
    effect: float
    low: float
    high: float

    @property
    def in_order(self) -> bool:
        """Whether the order matters: both are elements of one component."""
        return self.first.component == self.second.component


@dataclass(frozen=True)
class HeatMap:
    """Pair effects of two slots. effects: by row and column in logits, None where the rules forbid the pair."""

    product_id: str
    row_slot: str
    column_slot: str
    rows: tuple[ElementView, ...]
    columns: tuple[ElementView, ...]
    effects: tuple[tuple[float | None, ...], ...]


def pair_effects(optimizer: Optimizer, request: Request, num: int = 20) -> list[PairEffect]:
    """Pairs of different elements that may stand together, each once, of one component once in either order: the `num`
    strongest that help, and that clash."""
    found: dict[tuple[int, int], tuple[float, int, int, int, int]] = {}
    space, slots = request.space, optimizer.catalogue.slots
    for i, j in request.tables.bilinear:
        effects = _legal_effects(request, i, j)
        in_order = slots[i].component == slots[j].component
        for a, b in np.argwhere(np.isfinite(effects)).tolist():
            rows = int(space.candidates[i][a]), int(space.candidates[j][b])
            if rows[0] == rows[1] or -1 in rows:
                continue
            key = rows if in_order else (min(rows), max(rows))
            found.setdefault(key, (float(effects[a, b]), i, j, int(a), int(b)))
    strongest = sorted(found.values(), key=lambda value: -abs(value[0]))
    return [_pair(optimizer, request, *value) for value in _ends(strongest, num)]


def _ends(pairs: list[tuple[float, int, int, int, int]], num: int) -> list[tuple[float, int, int, int, int]]:
    """The `num` strongest that help and the `num` strongest that clash, in order of strength."""
    helping = [pair for pair in pairs if pair[0] > 0][:num]
    clashing = [pair for pair in pairs if pair[0] < 0][:num]
    return sorted(helping + clashing, key=lambda pair: -abs(pair[0]))


def _pair(optimizer: Optimizer, request: Request, effect: float, i: int, j: int, a: int, b: int) -> PairEffect:
    width = Z_95 * _deviation(optimizer, request, i, j, a, b)
    catalogue, space = optimizer.catalogue, request.space
    return PairEffect(
        product_id=str(catalogue.products["product_id"][request.product]),
        first=element_view(catalogue, int(space.candidates[i][a]), i),
        second=element_view(catalogue, int(space.candidates[j][b]), j),
        first_own=float(request.tables.own[i][a]),
        second_own=float(request.tables.own[j][b]),
        effect=effect,
        low=effect - width,
        high=effect + width,
    )


def _deviation(optimizer: Optimizer, request: Request, i: int, j: int, a: int, b: int) -> float:
    """Posterior standard deviation of one pair effect: that of the pair's weights."""
    model = optimizer.policy.bound.model
    block = model.layout.pair_block(i, j)
    if block is None:
        return 0.0
    left, right = request.tables.factors[i][a][None], request.tables.factors[j][b][None]
    feature = model.layout.pair_features(left, right, i, j).ravel().astype(np.float64)
    covariance = np.asarray(model.covariance[block.start : block.stop, block.start : block.stop], dtype=np.float64)
    return float(np.sqrt(max(float(feature @ covariance @ feature), 0.0)))


def _legal_effects(request: Request, i: int, j: int) -> Floats:
    """Pair effects [candidate of i, candidate of j], NaN where the rules forbid the pair."""
    tables = request.tables
    effects = np.asarray(tables.factors[i] @ tables.bilinear[i, j] @ tables.factors[j].T, dtype=np.float64)
    allowed = request.space.compatible.get((i, j))
    return effects if allowed is None else np.where(allowed, effects, np.nan)


def heat_map(optimizer: Optimizer, request: Request, impressions: NDArray[np.float64]) -> HeatMap | None:
    """The two slots whose pairs matter most (largest spread of effects), None where no pair reaches `SMALLEST_EFFECT`.

    impressions: [slot, element + 1] of the log; of large pools the `MAX_CELLS` elements shown most are taken.
    """
    catalogue = optimizer.catalogue
    tables = {pair: _legal_effects(request, *pair) for pair in request.tables.bilinear}
    spread = {
        (i, j): float(np.nanstd(effects))
        for (i, j), effects in tables.items()
        if min(effects.shape) > 1 and np.isfinite(effects).any()
    }
    if not spread or max(float(np.nanmax(np.abs(tables[pair]))) for pair in spread) < SMALLEST_EFFECT:
        return None
    component = [slot.component for slot in catalogue.slots]
    i, j = max(spread, key=lambda pair: (component[pair[0]] != component[pair[1]], spread[pair]))
    return heat_map_of(optimizer, request, i, j, impressions)


def heat_map_of(optimizer: Optimizer, request: Request, i: int, j: int, impressions: NDArray[np.float64]) -> HeatMap:
    """The pairs of slots i < j; of large pools the `MAX_CELLS` elements shown most. impressions: as in `heat_map`."""
    catalogue, space = optimizer.catalogue, request.space
    rows, columns = (_most_shown(space.candidates[slot], impressions[slot]) for slot in (i, j))
    effects = _legal_effects(request, i, j)[np.ix_(rows, columns)]
    return HeatMap(
        product_id=str(catalogue.products["product_id"][request.product]),
        row_slot=catalogue.slots[i].name,
        column_slot=catalogue.slots[j].name,
        rows=tuple(element_view(catalogue, int(space.candidates[i][a]), i) for a in rows),
        columns=tuple(element_view(catalogue, int(space.candidates[j][b]), j) for b in columns),
        effects=tuple(tuple(None if np.isnan(value) else float(value) for value in line) for line in effects),
    )


def _most_shown(candidates: NDArray[np.int32], impressions: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions of the elements shown most, in their own order; the empty element is left out."""
    positions = np.flatnonzero(candidates >= 0)
    order = np.argsort(-impressions[candidates[positions]], kind="stable")[:MAX_CELLS]
    return np.sort(positions[order])
