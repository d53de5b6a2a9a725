"""The requests a report speaks of: drawn from the log, so that its figures are those of the traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth


@dataclass(frozen=True)
class ReportRequest:
    """product: row · values: context columns as logged, empty = the average context · context: [num_context] encoded ·
    weight: impressions it stands for."""

    product: int
    values: Mapping[str, Any]
    context: NDArray[np.float32]
    weight: float = 1.0

    def truth_context(self, truth: Truth) -> int | None:
        """Index into `truth.context_values`, None where the truth does not know this context."""
        if truth.context_name is None:
            return 0
        value = str(self.values.get(truth.context_name, ""))
        return truth.context_values.index(value) if value in truth.context_values else None


def logged_requests(optimizer: Optimizer, batch: ImpressionBatch) -> list[ReportRequest]:
    """One request for every row of `batch` with impressions."""
    encoded = optimizer.encoders.context.transform(batch.context, len(batch))
    names = list(batch.context)
    return [
        ReportRequest(
            int(batch.product[row]),
            {name: batch.context[name][row] for name in names},
            encoded[row],
            float(batch.num_impressions[row]),
        )
        for row in np.flatnonzero(batch.num_impressions > 0)
    ]


def frequent_request(requests: list[ReportRequest], optimizer: Optimizer, product: int) -> ReportRequest:
    """The product's request with most impressions among `requests`; the average context where it has none."""
    weight: dict[tuple[str, ...], float] = {}
    found: dict[tuple[str, ...], ReportRequest] = {}
    for request in requests:
        if request.product == product:
            key = tuple(str(value) for value in request.values.values())
            weight[key] = weight.get(key, 0.0) + request.weight
            found.setdefault(key, request)
    if not found:
        return ReportRequest(product, {}, optimizer.context())
    return found[max(weight, key=lambda key: weight[key])]
