"""How many decisions of one actor are learned: no single visitor, or script, may move the model by much.

Whether a decision counts is known before its outcome, from the log alone: none is chosen by what was clicked on it,
busy actors just weigh less, and the answer is the same after a restart and in both arms of a rollout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, false, select, true

from genco.serving.tables import decisions


@dataclass(frozen=True)
class ActorLimits:
    """A decision counts if fewer of its actor's came in the window before it. most: of all products, per_product: of
    the same one, 0 = no limit · window_us: length of the window · judged_us: how long actors' rewards stay under
    judgement as `forged_evidence` judges them, 0 = never."""

    most: int
    per_product: int
    window_us: int
    judged_us: int = 0

    def counts(self) -> ColumnElement[bool]:
        """Whether a row of `decisions` counts; one without an actor does. Looks at `most` rows of the actor at most."""
        earlier, mine = decisions.alias("earlier"), decisions.c
        before = (
            select(earlier.c.event_id)
            .where(earlier.c.actor == mine.actor, earlier.c.decided_at < mine.decided_at)
            .where(earlier.c.decided_at > mine.decided_at - self.window_us)
            .order_by(earlier.c.decided_at.desc())
            .limit(1)
            .correlate(decisions)
        )
        limits: list[tuple[Any, Any]] = []
        if self.most:
            limits.append((before.offset(self.most - 1).scalar_subquery().is_not(None), false()))
        if self.per_product:
            same = before.where(earlier.c.product_id == mine.product_id)
            limits.append((same.offset(self.per_product - 1).scalar_subquery().is_not(None), false()))
        return case(*limits, else_=true()) if limits else true()
