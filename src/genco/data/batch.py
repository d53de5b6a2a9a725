"""A batch of impressions, addressed by catalogue rows. Single rows and aggregated rows are the same thing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RESERVED_COLUMNS = (
    "impression_id",
    "timestamp",
    "product_id",
    "num_impressions",
    "num_clicks",
    "num_conversions",
    "revenue",
    "propensity",
    "policy",
    "model_version",
)


@dataclass(frozen=True)
class ImpressionBatch:
    """`batch` impressions. Arrays share their first axis.

    product: int32 [batch] product rows · combination: int32 [batch, slot] element rows, -1 = empty ·
    context: one array [batch] per context column, strings or numbers · num_impressions, reward: float32 [batch],
    reward counted in the dataset's reward column (clicks unless it says otherwise) · propensity: float32 [batch],
    NaN = not logged · timestamp: int64 [batch], microseconds since 1970 UTC, 0 = not logged.
    """

    product: NDArray[np.int32]
    combination: NDArray[np.int32]
    num_impressions: NDArray[np.float32]
    reward: NDArray[np.float32]
    propensity: NDArray[np.float32]
    timestamp: NDArray[np.int64]
    context: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.product)
