"""How much of what the reward model sees in combinations lies in pairs: what the pseudo-inverse cannot express."""

from __future__ import annotations

import numpy as np

from genco.runtime.additive_tables import AdditiveTables, pair_matrix
from genco.runtime.purification import purify


def interaction_share(tables: AdditiveTables) -> float:
    """Share in [0, 1] of the uplift's variance, over uniform combinations of the candidates, that pairs carry.

    0 for a request without any variance.
    """
    pure, _ = purify(tables)
    own = sum(float(np.mean(np.square(values, dtype=np.float64))) for values in pure.own)
    pair = sum(float(np.mean(np.square(pair_matrix(pure, *which), dtype=np.float64))) for which in pure.pairs)
    return pair / (own + pair) if own + pair > 0 else 0.0
