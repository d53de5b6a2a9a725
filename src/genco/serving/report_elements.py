"""What an element adds, by the model, for the elements that a report lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from genco.evaluation.element_table import ElementRow, element_rows
from genco.evaluation.report_data import average_context
from genco.policies.optimizer import Optimizer
from genco.serving.joiner import CONVERSIONS
from genco.serving.reports import ShownCombination


def element_credits(
    optimizer: Optimizer, shown: Sequence[ShownCombination], element_ids: Iterable[str]
) -> dict[str, ElementRow]:
    """Contribution in the average context of the run's log, its 95% interval and the label of each element, by id.

    shown: the log the labels count impressions in. An element shared by all products is judged on the one shown most;
    one that the catalogue lacks, or that no slot shows, is left out.
    """
    catalogue = optimizer.catalogue
    rows = {catalogue.element_rows[name] for name in element_ids if name in catalogue.element_rows}
    wanted = np.array(sorted(row for row in rows if catalogue.element_component[row] >= 0), dtype=np.int32)
    impressions, clicks = _counts(optimizer, shown)
    context, busiest = average_context(optimizer), _busiest(optimizer, shown)
    found = element_rows(optimizer, impressions, clicks, context, wanted, busiest)
    return {str(row.element.element_id): row for row in found}


def _counts(optimizer: Optimizer, shown: Sequence[ShownCombination]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Impressions and clicks (conversions where the run learned these) by element row, over all slots."""
    rows = optimizer.catalogue.element_rows
    counts = np.zeros((2, optimizer.catalogue.num_elements), dtype=np.int64)
    for entry in shown:
        known = [rows[name] for name in entry.combination if name in rows]
        np.add.at(counts[0], known, entry.impressions)
        np.add.at(counts[1], known, entry.conversions if optimizer.meta.reward == CONVERSIONS else entry.clicks)
    return counts[0], counts[1]


def _busiest(optimizer: Optimizer, shown: Sequence[ShownCombination]) -> int:
    """The product with most impressions."""
    traffic = np.zeros(optimizer.catalogue.num_products)
    for entry in shown:
        row = optimizer.catalogue.product_rows.get(entry.product_id)
        if row is not None:
            traffic[row] += entry.impressions
    return int(traffic.argmax())
