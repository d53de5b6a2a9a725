"""What other versions would earn, by the log of those that served: off-policy values with intervals, or a refusal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, and_, func, not_, select

from genco.errors import GencoError, SupportError
from genco.evaluation.ope import IPS, SNIPS
from genco.evaluation.ope.logged_rows import LoggedRows
from genco.evaluation.ope.policy_value import CANNOT_TELL, Estimate, estimate
from genco.evaluation.ope.served import served
from genco.evaluation.ope.support import Support
from genco.policies.optimizer import Optimizer
from genco.serving.decider import MODEL
from genco.serving.encoded_rows import encode_rows
from genco.serving.joiner import Joined, settled
from genco.serving.tables import decisions

LEARNED = "the version may have learned from these rows, so it looks better than it is"
ROUNDING = 1e-9
LOOKED_THROUGH = 10
PAGE = 10_000
NOT_SERVABLE = "no logged product has a legal combination"


@dataclass(frozen=True)
class VersionValue:
    """snips: None where the log says too little, and `refused` says why · mean_weight: importance weight, 1 in
    expectation · num_rows: rows of what the version's catalogue knows · warning: "" = none."""

    snips: Estimate | None
    refused: str
    num_rows: int
    mean_weight: float | None
    effective_size: float | None
    warning: str

    @property
    def verdict(self) -> str:
        """Against the log: better or worse only if the interval of the difference says so beyond rounding."""
        if self.snips is None or max(abs(self.snips.difference.low), abs(self.snips.difference.high)) < ROUNDING:
            return CANNOT_TELL
        return self.snips.verdict


def recent_decisions(connection: Connection, until: int, num: int, rate_of: str) -> tuple[list[Joined], int]:
    """The last `num` or so decisions by a model, decided before `until`, that were shown and whose propensity is known,
    with a free choice, and how many others by a model were made in that time, shown or not. Where free choices are
    rare, no more than `LOOKED_THROUGH` decisions for each wanted are looked through. Read a page at a time, for no
    statement may take longer than a request waits.

    No free choice has who pins, excludes or brings along candidates: other versions would have had to obey that
    request. Rows from before the store noted that are not known to be free, and left out too. The holdout's and failed
    choices do not count either, for no model chose them. rate_of: the events that are a reward.
    """
    made, page = decisions.c, min(PAGE, num)
    free = and_(made.narrowed.is_(False), made.candidates.is_(None), made.propensity.is_not(None))
    pages: list[list[Joined]] = []
    missing, left_out, stop = num, 0, until
    for _ in range(0, LOOKED_THROUGH * num, page):
        before = select(made.decided_at).where(made.decided_at < stop, made.policy == MODEL)
        start = connection.execute(before.order_by(made.decided_at.desc()).offset(page - 1).limit(1)).scalar() or 0
        rows = list(settled(connection, start, stop, rate_of=rate_of, only=and_(made.policy == MODEL, free)))
        if len(rows) >= missing:
            rows = rows[-missing:]
            start = rows[0].decided_at
        pages.append(rows)
        others = select(func.count()).where(made.decided_at >= start, made.decided_at < stop, made.policy == MODEL)
        left_out += connection.execute(others.where(not_(free))).scalar_one()
        missing, stop = missing - len(rows), start
        if not missing or not start:
            break
    return [row for rows in reversed(pages) for row in rows], left_out


def version_value(optimizer: Optimizer, rows: list[Joined], learned_to: int) -> VersionValue:
    """Mean reward of an impression, had this version chosen. learned_to: microseconds; earlier rows may be in its
    training."""
    try:
        logged = _rows(optimizer, rows)
        told = served(optimizer.policy, logged, lambda stage, values: None)
        keep = np.flatnonzero(told.servable)
    except GencoError as error:
        return VersionValue(None, str(error), 0, None, None, "")
    if not len(keep):
        return VersionValue(None, NOT_SERVABLE, 0, None, None, "")
    logged, told = logged.take(keep), told.take(keep)
    weighing = logged.propensity, told.evaluation_prob, logged.reward, logged.count
    support = Support().update(IPS().terms(*weighing))
    found, refused = None, ""
    try:
        support.check_size()
        support.check_mean_weight()
        found = estimate(SNIPS().terms(*weighing), logged.reward)
    except SupportError as error:
        refused = str(error)
    warning = LEARNED if rows[0].decided_at < learned_to else ""
    return VersionValue(
        found, refused, round(support.num_impressions), support.mean_weight, support.effective_size, warning
    )


def mean_reward(rows: Iterable[Joined]) -> float | None:
    """Of the log itself."""
    rewards = [row.reward for row in rows]
    return float(np.mean(rewards)) if rewards else None


def _rows(optimizer: Optimizer, rows: list[Joined]) -> LoggedRows:
    encoded = encode_rows(optimizer, rows)
    size = len(encoded.product)
    found = LoggedRows(
        encoded.product,
        encoded.combination,
        encoded.context,
        np.array([rows[i].propensity for i in encoded.place], dtype=np.float64),
        encoded.reward.astype(np.float64),
        np.ones(size),
        np.arange(size, dtype=np.float64),
        np.ones(size),
    )
    return found.single()
