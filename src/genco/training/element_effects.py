"""Effects of elements, for what content does not tell: their scores in the log, their spread, their posterior."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from genco.models.additive import ContentTables, PassResult
from genco.models.evidence import variance_component
from genco.models.nuisance import Units
from genco.training.product_levels import FREE_VARIANCE
from genco.training.shared_effects import SharedEffects, learned_share

Values = NDArray[np.float64]


def pool_average(tables: ContentTables, values: Values) -> Values:
    """Mean of `values` [element + 1] over the pools each element stands in [element + 1]; 0 for an element in none."""
    by_pool = tables.pool_mean_of(values).ravel()
    owners = np.bincount(tables.pool_elements, minlength=len(values))
    total = np.bincount(tables.pool_elements, weights=by_pool[tables.pool_owner], minlength=len(values))
    return np.asarray(total / np.maximum(owners, 1))


class ElementEffects:
    """What the rounds of a fit ask of element effects.

    content: [element + 1] class of what each element shows · levels: whether products have levels of their own.
    `of_one_product` [element + 1]: elements in the pools of a single product, whose effects are taken out of the
    information exactly; not so those that products share, nor the empty element.
    """

    def __init__(self, tables: ContentTables, num_slots: int, content: NDArray[np.int64] | None, levels: bool) -> None:
        num = len(tables.latents)
        self._tables, self._num_slots, self._levels = tables, num_slots, levels
        self._content = np.arange(num) if content is None else content
        pools = np.unique(np.stack([tables.pool_elements, tables.pool_owner // num_slots]), axis=1)
        self.of_one_product = np.bincount(pools[0], minlength=num) == 1
        self.of_one_product[-1] = False

    def precision(self, variance: float, scale: float) -> Values | None:
        """Prior precision of effects to take out of the information [element + 1], times `scale`; None = none."""
        return np.where(self.of_one_product, scale / variance, np.inf) if variance > 0 else None

    def scores(self, result: PassResult, effect: Values) -> tuple[Values, Values]:
        """Score at no effect, all others held, and curvature of every element [element + 1]."""
        assert result.element_residual is not None and result.element_curvature is not None
        curvature = result.element_curvature.copy()
        residual = result.element_residual + curvature * (effect - pool_average(self._tables, effect))
        curvature[-1] = residual[-1] = 0.0
        return residual, curvature

    def posterior(self, result: PassResult, effect: Values, variance: float, share: float) -> SharedEffects:
        """Effects that are best where all others are held."""
        return SharedEffects.of(*self.scores(result, effect), self._content, max(variance, 1e-9), share)

    def penalty(self, effect: Values, variance: float, share: float) -> float:
        """Minus the log prior density of effects [element + 1], up to a constant."""
        variance = max(variance, 1e-9)
        common, own = share * variance, max((1 - share) * variance, 1e-3 * variance)
        count, total = (np.bincount(self._content, weights=values) for values in (np.ones(len(effect)), effect))
        told = common * total**2 / (own + count * common)
        return 0.5 * float((effect**2).sum() - told.sum()) / own

    def learned(
        self, result: PassResult, effect: Values, units: Iterable[Units], by_product: Values, num_supported: float
    ) -> tuple[float, float]:
        """Variance of effects, and the share of it that elements of equal content have in common.

        The variance is read off independent directions: exact ones of `units` for elements of one product, element by
        element for the others. by_product: [product] curvature · num_supported: weights that the data support.
        """
        assert result.element_residual is not None
        residual, curvature = self.scores(result, effect)
        parts = [each.directions(result.element_residual, effect) for each in units]
        others = np.flatnonzero(~self.of_one_product)
        score = np.concatenate([*(part[0] for part in parts), residual[others]])
        information = np.concatenate([*(part[1] for part in parts), curvature[others]])
        kept = np.full(len(score), 1.0 - min(num_supported / max(int((curvature > 0).sum()), 1), 0.5))
        kept[len(score) - len(others) :] *= self._left_by_levels(curvature, by_product)[others]
        variance = variance_component(score, information, np.clip(kept, 1e-3, 1.0))
        return variance, learned_share(residual, curvature, self._content, variance)

    def _left_by_levels(self, curvature: Values, by_product: Values) -> Values:
        """Share of each element's score variance that levels of products left in it [element + 1]."""
        owners = by_product[self._tables.pool_owner // self._num_slots]
        shown_in = np.bincount(self._tables.pool_elements, weights=owners, minlength=len(curvature))
        trust = shown_in / (shown_in + 1.0 / FREE_VARIANCE) if self._levels else np.zeros(len(curvature))
        return np.asarray(1.0 - trust * curvature / np.maximum(shown_in, curvature + 1e-12))
