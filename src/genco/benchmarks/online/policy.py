"""What the online loop asks of a policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.arm_table import ArmTable


class OnlinePolicy(Protocol):
    """Chooses an arm for every view and learns from outcomes in batches; built from (arm table, seed)."""

    def choose(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """The arm shown in each view [view]; legal for the view's item. Nothing is learned."""
        ...

    def update(self, items: NDArray[np.int32], arms: NDArray[np.int64], clicks: NDArray[np.int64]) -> None:
        """Learn from views [view] whose outcome is known now; clicks are 0 or 1."""
        ...


PolicyFactory = Callable[[ArmTable, int], OnlinePolicy]
