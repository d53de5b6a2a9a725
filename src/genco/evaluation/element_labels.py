"""The labels PENDING, LEARNING, LOW, GOOD and BEST, and the rule behind each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import APPROVED, PENDING

Floats = NDArray[np.floating]
MIN_IMPRESSIONS = 100
BEST_SHARE = 0.25
UNLABELLED = ""

LABEL_RULES = {
    "PENDING": "The element is not approved yet, so it is never shown.",
    "LEARNING": (
        f"Fewer than {MIN_IMPRESSIONS} impressions, or a 95% interval wider than the spread (largest minus smallest "
        "contribution) of all that the product may show in that component: too early to say."
    ),
    "LOW": "Not LEARNING, and the whole 95% interval lies below 0, the average of what the place may show.",
    "GOOD": "Everything else that is approved; also an element that is the only choice of its component.",
    "BEST": (
        "Not LEARNING, the whole 95% interval lies above 0, and the contribution is in the top quarter of all that the "
        "product may show in that component."
    ),
}


def element_labels(
    status: Sequence[str],
    impressions: Floats,
    contribution: Floats,
    low: Floats,
    high: Floats,
    empty: float | None = None,
) -> list[str]:
    """Label of every element of one product and component, all [element]; blocked elements have none.

    empty: contribution of the place left empty, None where every slot of the component is required.
    """
    approved = np.array([value == APPROVED for value in status], dtype=bool)
    choices = np.append(np.asarray(contribution)[approved], [] if empty is None else [empty])
    spread = float(np.ptp(choices)) if len(choices) else 0.0
    bar = np.sort(choices)[::-1][: max(1, int(np.ceil(BEST_SHARE * len(choices))))].min(initial=np.inf)

    def label(i: int) -> str:
        if status[i] == PENDING:
            return "PENDING"
        if not approved[i]:
            return UNLABELLED
        if len(choices) == 1:
            return "GOOD"
        if impressions[i] < MIN_IMPRESSIONS or high[i] - low[i] > spread:
            return "LEARNING"
        if high[i] < 0:
            return "LOW"
        return "BEST" if low[i] > 0 and contribution[i] >= bar else "GOOD"

    return [label(i) for i in range(len(status))]
