"""Rewards of settled decisions that are taken for forged, and what they put into the evidence.

Every round judges the rewards of the last `judged_us` anew, from the log alone, with what all actors did up to then:
what a forger put in before it was found is taken out again, and comes back should it look honest later. A forged reward
is replaced by the one the model expects. After `judged_us` a judgement is final.
"""

from __future__ import annotations

from collections import deque
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

MOST_ROWS = 50_000  # judged at once: the newest
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


def suspects(connection: Connection, start: int, stop: int, limits: ActorLimits, rate_of: str) -> list[Joined]:
    """Settled decisions with start <= decided_at < stop of actors with rewards enough to be judged."""
    only = of_rewarded_actors(start, stop, rate_of, LEAST_REWARDS)
    rows = settled(connection, start, stop, limits=limits, rate_of=rate_of, only=only)
    return list(deque(rows, maxlen=MOST_ROWS))


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
    """Decisions before `until` whose reward is taken for forged, judged over one stretch of `judged_us` after another.
    renamed: rows with the names that the optimizer's catalogue has."""
    if not limits.judged_us:
        return frozenset()
    found: set[str] = set()
    start = connection.execute(select(func.min(decisions.c.decided_at))).scalar()
    while start is not None and start < until:
        stop = min(start + limits.judged_us, until)
        rows = renamed(suspects(connection, start, stop, limits, optimizer.meta.reward))
        found.update(row.event_id for row in forged_rows(optimizer, rows).rows)
        start = stop
    return frozenset(found)
