"""Mean revenue of one event (conversion or click) by product, as a run keeps it. Expected revenue: rate times it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EventValue:
    """overall: mean over products, for one whose events were never seen · known: product id -> its own mean, shrunk."""

    overall: float
    known: Mapping[str, float]

    def of(self, product_id: str) -> float:
        return self.known.get(product_id, self.overall)

    def of_many(self, product_ids: Iterable[str]) -> Floats:
        """[product]"""
        return np.array([self.of(product_id) for product_id in product_ids], dtype=np.float64)

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and description; `from_arrays` is the inverse."""
        values = np.array(list(self.known.values()), dtype=np.float64)
        return {"value": values, "overall": np.array([self.overall])}, {"product_ids": list(self.known)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]) -> EventValue:
        known = dict(zip(description["product_ids"], arrays["value"].tolist(), strict=True))
        return cls(float(arrays["overall"][0]), known)
