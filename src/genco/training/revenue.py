"""What one event is worth, learned from the rows a run is trained on, where the dataset's reward is revenue."""

from __future__ import annotations

from typing import Any

import numpy as np

from genco.data.splits import Split
from genco.models.event_value_fit import element_differences, fit_values
from genco.runtime.event_value import EventValue
from genco.storage.dataset import Dataset
from genco.storage.revenue_log import is_revenue, valued_batches

SIGNIFICANT = 0.01


def learn_value(dataset: Dataset, rates: Dataset, split: Split) -> tuple[EventValue, dict[str, Any]] | None:
    """The value of an event by product, and what was measured; None where the reward is no revenue.

    rates: the same log with its events as reward. Rows that `split` holds out are left out here, too. Raises
    `DataError` for a row with revenue and no event.
    """
    if not is_revenue(dataset):
        return None
    catalogue = rates.catalogue
    parts = []
    for batch, value in valued_batches(dataset, rates):
        rows = np.flatnonzero((batch.reward > 0) & ~split.held_out(batch, catalogue))
        parts.append((batch.product[rows], batch.combination[rows], batch.reward[rows].astype(np.float64), value[rows]))
    if not parts:
        return EventValue(0.0, {}), {}
    product, combination, events, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    fit = fit_values(product, events, values, catalogue.num_products)
    ids = catalogue.products["product_id"]
    seen = np.flatnonzero(~np.isnan(fit.value))
    known = {ids[int(row)]: float(fit.value[row]) for row in seen}
    measured: dict[str, Any] = {
        "event": rates.meta.reward,
        "events": float(events.sum()),
        "products": len(known),
        "overall": fit.overall,
        "noise_sd": float(np.sqrt(fit.noise)),
        "spread_sd": float(np.sqrt(fit.spread)),
    }
    chance = element_differences(product, combination, events, values)
    measured["element_p_value"] = {slot.name: float(p) for slot, p in zip(catalogue.slots, chance, strict=True)}
    least = int(chance.argmin())
    if chance[least] * len(chance) < SIGNIFICANT:
        measured["warning"] = (
            f"the value of an event differs between elements of slot {catalogue.slots[least].name!r} within products "
            f"(p = {chance[least]:.2g}): expected revenue leaves that out"
        )
    log_sd = {ids[int(row)]: float(fit.log_sd[row]) for row in seen if not np.isnan(fit.log_sd[row])}
    overall_log_sd = None if np.isnan(fit.overall_log_sd) else fit.overall_log_sd
    return EventValue(fit.overall, known, log_sd, overall_log_sd), measured
