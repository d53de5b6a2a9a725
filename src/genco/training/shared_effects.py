"""Effects of elements that show the same: a part they share, and a part of their own.

What a title did beside one product says something of the same title beside another. An element's effect is a shared
part of variance share * variance, one for all elements of equal content, plus its own of the rest (a variance component
model; Henderson 1975). The share is learned from contents that were logged more than once; without any it is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_SHARES = 21
Values = NDArray[np.float64]


def content_classes(keys: Sequence[str | None]) -> NDArray[np.int64]:
    """Number [element + 1] of the content that each element shows; one of its own without a key, and for the empty
    element."""
    found: dict[str, int] = {}
    numbers = [len(keys) + 1 + i if key is None else found.setdefault(key, i) for i, key in enumerate(keys)]
    return np.unique(np.array([*numbers, -1], dtype=np.int64), return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class SharedEffects:
    """Posterior given scores. effect, variance: [element + 1] of the whole effect · shared, shared_variance:
    [element + 1] of the part shared with elements of equal content."""

    effect: Values
    variance: Values
    shared: Values
    shared_variance: Values

    @classmethod
    def of(
        cls, score: Values, information: Values, content: NDArray[np.int64], variance: float, share: float
    ) -> SharedEffects:
        """score, information: [element + 1] first and (negative) second derivative of the log-likelihood at no effect
        · content: [element + 1] class."""
        common, own = share * variance, (1 - share) * variance
        kept = 1.0 / (1.0 + information * own)
        total, mass = (np.bincount(content, weights=kept * values) for values in (score, information))
        class_variance = np.asarray(common / (1.0 + common * mass), dtype=np.float64)
        shared = (class_variance * total)[content]
        effect = shared + own * kept * (score - information * shared)
        shared_variance = class_variance[content]
        return cls(effect, own * kept + shared_variance * kept**2, shared, shared_variance)


def learned_share(score: Values, information: Values, content: NDArray[np.int64], variance: float) -> float:
    """Share of `variance` that elements of equal content have in common: mean of its posterior under a flat prior on
    [0, 1], from contents that two logged elements or more show; 0 where there are none."""
    seen = information > 0
    repeated = (np.bincount(content, weights=seen) >= 2)[content] & seen
    if not repeated.any() or variance <= 0:
        return 0.0
    s, h = score[repeated], information[repeated]
    classes = np.unique(content[repeated], return_inverse=True)[1]
    shares = np.linspace(0.0, 1.0, NUM_SHARES)
    evidence = np.array([_evidence(s, h, classes, variance, float(share)) for share in shares])
    weight = np.exp(evidence - evidence.max())
    return float(weight @ shares / weight.sum())


def _evidence(score: Values, information: Values, classes: NDArray[np.int64], variance: float, share: float) -> float:
    """Log density of the scores, up to a constant."""
    common, own = share * variance, (1 - share) * variance
    kept = 1.0 / (1.0 + information * own)
    total, mass = (np.bincount(classes, weights=kept * values) for values in (score, information))
    explained = common * total**2 / (1.0 + common * mass)
    fit = float((own * kept * score**2).sum() + explained.sum())
    return 0.5 * (fit + float(np.log(kept).sum()) - float(np.log1p(common * mass).sum()))
