"""Mean revenue of one event (conversion or click) by product, as a run keeps it. Expected revenue: rate times it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class EventValue:
    """overall: mean over products, for one whose events were never seen · known: product id -> its own mean, shrunk ·
    log_sd, overall_log_sd: standard deviations of their logarithms, as far as they are known."""

    overall: float
    known: Mapping[str, float]
    log_sd: Mapping[str, float] = field(default_factory=dict)
    overall_log_sd: float | None = None

    def of(self, product_id: str) -> float:
        return self.known.get(product_id, self.overall)

    def interval(self, product_id: str) -> tuple[float, float] | None:
        """95% interval of the value; None where the run does not know how sure it is."""
        sd = self.log_sd.get(product_id) if product_id in self.known else self.overall_log_sd
        if sd is None:
            return None
        value, factor = self.of(product_id), math.exp(NORMAL_95 * sd)
        return value / factor, value * factor

    def of_many(self, product_ids: Iterable[str]) -> Floats:
        """[product]"""
        return np.array([self.of(product_id) for product_id in product_ids], dtype=np.float64)

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and description; `from_arrays` is the inverse."""
        values = np.array(list(self.known.values()), dtype=np.float64)
        log_sd = np.array([self.log_sd.get(name, np.nan) for name in self.known], dtype=np.float64)
        overall_log_sd = np.nan if self.overall_log_sd is None else self.overall_log_sd
        arrays = {"value": values, "overall": np.array([self.overall]), "log_sd": log_sd}
        return arrays | {"overall_log_sd": np.array([overall_log_sd])}, {"product_ids": list(self.known)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]) -> EventValue:
        """Runs from before there were standard deviations have none."""
        known = dict(zip(description["product_ids"], arrays["value"].tolist(), strict=True))
        overall = float(arrays["overall"][0])
        if "log_sd" not in arrays:
            return cls(overall, known)
        log_sd = dict(zip(known, arrays["log_sd"].tolist(), strict=True))
        overall_log_sd = float(arrays["overall_log_sd"][0])
        return cls(
            overall,
            known,
            {name: sd for name, sd in log_sd.items() if not math.isnan(sd)},
            None if math.isnan(overall_log_sd) else overall_log_sd,
        )
