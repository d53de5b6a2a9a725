"""Rewards of settled decisions that are taken for forged, and what they put into the evidence.

Every round judges the rewards of the last `judged_us` anew, from the log alone, with what all actors did up to then:
what a forger put in before it was found is taken out again, and comes back should it look honest later. A forged reward
is replaced by the one the model expects. After `judged_us`, or `MOST_DECISIONS` newer decisions, a judgement is final.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from genco.models.forged_rewards import LEAST_REWARDS, ActorRows, forged
from genco.models.online_evidence import OnlineEvidence, evidence_of_rewards
from genco.policies.optimizer import Optimizer
from genco.serving.actor_limits import ActorLimits
from genco.serving.encoded_rows import EncodedRows, encode_rows
from genco.serving.joiner import Joined, of_rewarded_actors, settled
from genco.serving.tables import decisions

MOST_DECISIONS = 100_000  # looked through in a round: at more than these in `judged_us` a judgement is final sooner
TAKEN_FOR_FORGED = 0.5
Rows = Sequence[Joined]


@dataclass(frozen=True)
class ForgedRows:
    """Decisions whose reward is taken for forged. rate: expected [row]."""

    rows: list[Joined]
    encoded: EncodedRows
    rate: NDArray[np.float64]

    def taken_out(self, optimizer: Optimizer, among: NDArray[np.bool_], weight: NDArray[np.float64]) -> OnlineEvidence:
        """What replaces the rewards `among` [row] by those expected. weight: of each row [row] in the evidence."""
        found, less = self.encoded, (self.rate - self.encoded.reward) * weight
        return evidence_of_rewards(
            optimizer.policy.bound, found.product[among], found.combination[among], found.context[among], less[among]
        )


def judged_from(connection: Connection, stop: int, limits: ActorLimits) -> int:
    """Time from which rewards of decisions before `stop` are open to judgement: that of the oldest of the newest
    `MOST_DECISIONS`, `judged_us` back at the most."""
    start = stop - limits.judged_us
    within = (decisions.c.decided_at >= start, decisions.c.decided_at < stop)
    newest = select(decisions.c.decided_at).where(*within).order_by(decisions.c.decided_at.desc())
    oldest = connection.execute(newest.offset(MOST_DECISIONS - 1).limit(1)).scalar()
    return start if oldest is None else oldest


def suspects(connection: Connection, start: int, stop: int, limits: ActorLimits, rate_of: str) -> list[Joined]:
    """Settled decisions with start <= decided_at < stop of actors with rewards enough to be judged."""
    only = of_rewarded_actors(start, stop, rate_of, LEAST_REWARDS)
    return list(settled(connection, start, stop, limits=limits, rate_of=rate_of, only=only))


def forged_rows(optimizer: Optimizer, rows: Rows) -> ForgedRows:
    """Those of the rows whose reward is taken for forged, by the rates that `optimizer` expects. Rows of no actor, or
    not known to its catalogue, are none."""
    rows = [row for row in rows if row.actor is not None]
    encoded = encode_rows(optimizer, rows)
    rows = [rows[place] for place in encoded.place]
    bound, catalogue = optimizer.policy.bound, optimizer.catalogue
    components = range(len(catalogue.components))
    logit = bound.appeal(encoded.product, encoded.context) + bound.uplift(
        encoded.product, encoded.combination, encoded.context
    )
    sizes = {
        product: sum(len(catalogue.members(owner, part)) for owner in (product, -1) for part in components)
        for product in map(int, np.unique(encoded.product))
    }
    actors = {row.actor: number for number, row in enumerate(rows)}
    judged = ActorRows(
        actor=np.array([actors[row.actor] for row in rows], dtype=np.int64),
        product=encoded.product.astype(np.int64),
        combination=encoded.combination.astype(np.int64),
        num_elements=np.array([sizes[int(product)] for product in encoded.product], dtype=np.int64),
        rewarded=encoded.reward > 0,
        logit=logit.astype(np.float64),
    )
    places = np.flatnonzero(forged(judged) > TAKEN_FOR_FORGED)
    rate = 1 / (1 + np.exp(-judged.logit[places]))
    return ForgedRows([rows[place] for place in places], encoded.at(places), rate)


def forged_ids(
    connection: Connection,
    optimizer: Optimizer,
    until: int,
    limits: ActorLimits,
    renamed: Callable[[Rows], Rows],
) -> frozenset[str]:
    """Decisions before `until` whose reward is taken for forged, judged over one stretch of at most `judged_us`
    and about `MOST_DECISIONS` before another.
    renamed: rows with the names that the optimizer's catalogue has."""
    if not limits.judged_us:
        return frozenset()
    found: set[str] = set()
    first = connection.execute(select(func.min(decisions.c.decided_at))).scalar()
    stop = until
    while first is not None and stop > first:
        start = judged_from(connection, stop, limits)
        rows = renamed(suspects(connection, start, stop, limits, optimizer.meta.reward))
        found.update(row.event_id for row in forged_rows(optimizer, rows).rows)
        stop = start
    return frozenset(found)
