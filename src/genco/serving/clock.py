"""The server's clock: never goes back, neither in a process nor over a restart."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Microseconds since 1970 UTC. Starts at the wall clock or after `not_before`, then follows the monotonic clock, so
    that a wall clock set back neither reorders the log nor reopens a reward window."""

    def __init__(
        self,
        not_before: int = 0,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._monotonic = monotonic
        self._offset = max(wall() // 1_000, not_before + 1) - monotonic() // 1_000

    def now(self) -> int:
        return self._offset + self._monotonic() // 1_000
