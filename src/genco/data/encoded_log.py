"""A whole log as a few flat arrays of catalogue rows: 28 bytes an impression at four slots.

Rows are stored in random-access arrays because Newton passes read them several times; a log of 20 million rows takes
about 0.6 GB. Everything that depends on product and context alone is kept once per *group* (product, context).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EncodedLog:
    """combination: int32 [row, slot] element rows, the number of elements standing for the empty element ·
    group: int32 [row] · trials, reward: float32 [row], weights already multiplied in ·
    group_product, group_context: int32 [group] · contexts: float32 [context, num_context], distinct encoded contexts.
    """

    combination: NDArray[np.int32]
    group: NDArray[np.int32]
    trials: NDArray[np.float32]
    reward: NDArray[np.float32]
    group_product: NDArray[np.int32]
    group_context: NDArray[np.int32]
    contexts: NDArray[np.float32]
    num_elements: int
    num_products: int

    def __len__(self) -> int:
        return len(self.group)

    @property
    def num_groups(self) -> int:
        return len(self.group_product)

    @property
    def product(self) -> NDArray[np.int32]:
        """Product row of every row."""
        return self.group_product[self.group]

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> EncodedLog:
        """The log restricted to `rows`; groups keep their numbers."""
        return replace(
            self,
            combination=self.combination[rows],
            group=self.group[rows],
            trials=self.trials[rows],
            reward=self.reward[rows],
        )
