"""Which elements help each other and which clash, by the model, beside how often they were shown together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.evaluation.interactions import PairEffect, pair_effects
from genco.policies.optimizer import Optimizer
from genco.serving.reports import ShownCombination


@dataclass(frozen=True)
class ShownPair:
    """effect: of the pair, in logits · impressions, clicks: decisions that showed both."""

    effect: PairEffect
    impressions: int
    clicks: int


def shown_pairs(
    optimizer: Optimizer, product: int, context: NDArray[np.float32], shown: Sequence[ShownCombination], num: int = 20
) -> list[ShownPair]:
    """The `num` pairs of a product that help most in a context, and the `num` that clash most, strongest first.

    shown: combinations of the product. Raises `RuleError` where the product has no legal combination.
    """
    effects = pair_effects(optimizer, optimizer.policy.request(product, context), num)
    together = [(frozenset(row.combination), row.impressions, row.clicks) for row in shown]
    found = []
    for effect in effects:
        pair = {effect.first.element_id, effect.second.element_id}
        counts = [(impressions, clicks) for elements, impressions, clicks in together if pair <= elements]
        found.append(ShownPair(effect, sum(n for n, _ in counts), sum(clicks for _, clicks in counts)))
    return found
