"""How many rewards of one actor count: against one visitor, or one script, that clicks everything."""

from __future__ import annotations


class ActorCaps:
    """most: rewards of one actor that count in a window, 0 = all · window_us: windows follow each other from 1970 on.

    Counted in memory by row id, since the server's start: asking again about a counted row says yes again.
    """

    def __init__(self, most: int, window_us: int) -> None:
        self._most, self._window_us = most, window_us
        self._window = -1
        self._counted: dict[str, set[str]] = {}

    def allows(self, actor: str | None, row_id: str, at: int) -> bool:
        """Whether this reward counts, and count it. actor: keyed hash; None = the decision named none, which has no
        cap."""
        if not self._most or actor is None:
            return True
        window = at // self._window_us
        if window != self._window:
            self._window, self._counted = window, {}
        counted = self._counted.setdefault(actor, set())
        if row_id in counted:
            return True
        if len(counted) >= self._most:
            return False
        counted.add(row_id)
        return True
