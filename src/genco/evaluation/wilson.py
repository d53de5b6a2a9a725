"""The Wilson interval of a rate: it holds for few rewards, and for none."""

from __future__ import annotations

import math

from genco.runtime.attribution import Z_95


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """95% interval of successes / trials, trials > 0 (Wilson 1927)."""
    rate, z2 = min(max(successes / trials, 0.0), 1.0), Z_95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(centre - half, 0.0), min(centre + half, 1.0)
