"""Learns while serving: every minute the settled decisions since the last time move the reward model's posterior.

A round reads settled decisions in order of time up to a reward window ago, adds the evidence of those within their
actors' limits to the faded old one, and makes a new version, which is served at once. The evidence and the time it
reaches to are stored with the version, so a restart goes on where the served version ends: no row is learned twice or
forgotten.

Rewards that look forged are taken out of what is served for as long as they do, see `forged_evidence`.

In a staged rollout each arm learns from the rows of both: what a combination earns does not depend on which model
chose it, and the arm depends on the actor's hash alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from genco.models.online_evidence import OnlineEvidence, evidence_of, updated_model
from genco.policies.optimizer import Optimizer
from genco.runtime.reward_model import BoundRewardModel
from genco.serving.additions import grown
from genco.serving.alarms import ACTORS_LEFT_OUT, REWARDS_FORGED, raise_once
from genco.serving.arms import Arm
from genco.serving.candidate_sets import read_sets
from genco.serving.encoded_rows import encode_rows
from genco.serving.forged_evidence import ForgedRows, forged_rows, judged_from, suspects
from genco.serving.joiner import Joined, settled
from genco.serving.named_apart import NamedApart
from genco.serving.registry import RUN, load_evidence
from genco.serving.service import Service
from genco.serving.store import be_patient

log = logging.getLogger(__name__)
SETTLE_US = 2_000_000  # beyond the window: decisions and rows received in time may be on their way to the writer
MAX_ROWS = 50_000
LEAST_ROWS = 100  # of a round whose left out decisions may raise an alarm


@dataclass(frozen=True)
class LearnedState:
    """What was learned on one run. version: made of it · learned_to: decisions before this time are in the evidence ·
    open_from: whether rewards of decisions before this time are forged is not asked again."""

    version: str
    evidence: OnlineEvidence
    learned_to: int
    open_from: int
    num_rows: int


class Learner:
    """Rounds of learning in a thread of its own. Use `start` and `stop`, or `round` by hand."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._states: dict[str, LearnedState] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="genco-learner", daemon=True)

    def start(self) -> None:
        if self._service.config.learn_every_seconds > 0:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._service.config.learn_every_seconds):
            started = time.perf_counter()
            try:
                while self.round() >= MAX_ROWS and not self._stop.is_set():
                    pass
            except Exception:  # counted and logged; the next round tries again
                log.exception("a round of learning failed")
                self._service.metrics.learn_failures.inc()
            self._service.metrics.learn_seconds.set(time.perf_counter() - started)

    def round(self) -> int:
        """Let every arm that learns do so from what has settled; returns the number of decisions, added over arms."""
        return sum(self._learn(name) for name in self._service.live.learning_arms())

    def _learn(self, name: str) -> int:
        """One arm's round."""
        service = self._service
        arm, state = service.live.serving.arm(name), self._states.get(name)
        if arm is None:
            return 0
        if state is None or state.version != arm.version.version:  # chosen by hand, or the arm is new
            state = self._states[name] = _resumed(arm)
        until = service.clock.now() - service.config.reward_window_us - SETTLE_US
        service.writer.submit(lambda _: None).result()  # what was received before now is in the store after this
        rows, stop = self._read(state.learned_to, until, arm.base.meta.reward)
        if not rows:
            return 0
        counting = [row for row in rows if row.counts]
        base, current, counting = self._with_candidates(arm.base, arm.model.optimizer, counting)
        encoded = encode_rows(base, counting)
        half_lives = (stop - state.learned_to) / 3.6e9 / service.config.half_life_hours
        fresh = evidence_of(
            _bound(current), _bound(base), encoded.product, encoded.combination, encoded.context, encoded.reward
        )
        num_products = arm.base.catalogue.num_products
        evidence = state.evidence.over(num_products).faded(0.5**half_lives) + fresh.of_first(num_products)
        open_from, out_for_good, out_for_now = self._forged(arm, state, stop)
        evidence += out_for_good
        num_rows = state.num_rows + len(encoded.product)
        version = service.live.serve_learned(
            name,
            state.version,
            updated_model(_bound(arm.base), evidence + out_for_now),
            vars(evidence),
            {"learned_to": stop, "open_from": open_from, "num_rows": num_rows},
        )
        if version is None:
            return 0
        self._states[name] = LearnedState(version, evidence, stop, open_from, num_rows)
        service.metrics.settled_to.set(stop / 1e6)
        self._tell_left_out(len(rows), len(rows) - len(counting))
        return len(rows)

    def _forged(self, arm: Arm, state: LearnedState, stop: int) -> tuple[int, OnlineEvidence, OnlineEvidence]:
        """The time from which judgements stay open; what takes forged rewards out of the evidence: of decisions before
        it, and of later ones."""
        service, num_products = self._service, arm.base.catalogue.num_products
        nothing = OnlineEvidence.nothing(arm.base.model.layout.num_weights, num_products)
        if not service.limits.judged_us:
            return max(state.open_from, stop), nothing, nothing
        with service.engine.connect() as connection:
            be_patient(connection)
            judged = judged_from(connection, stop, service.limits)
            start, open_from = min(state.open_from, judged), max(state.open_from, judged)
            rows = suspects(connection, start, stop, service.limits, arm.base.meta.reward)
        _, current, rows = self._with_candidates(arm.base, arm.model.optimizer, rows)
        found = forged_rows(current, rows)
        at = np.array([row.decided_at for row in found.rows], dtype=np.int64)
        learned = np.array([row.counts for row in found.rows], dtype=bool) & (at >= state.open_from)
        weight = 0.5 ** ((stop - at) / 3.6e9 / service.config.half_life_hours)
        self._tell_forged(found, int((at >= state.learned_to).sum()))
        closed = found.taken_out(current, learned & (at < open_from), weight)
        still_open = found.taken_out(current, learned & (at >= open_from), weight)
        return open_from, closed.of_first(num_products), still_open.of_first(num_products)

    def _tell_forged(self, found: ForgedRows, fresh: int) -> None:
        """Say how many rewards are taken for forged; an alarm where there are such among those just settled."""
        self._service.metrics.forged.set(len(found.rows))
        if fresh:
            elements = Counter(name for row in found.rows for name in row.combination if name is not None)
            detail = {
                "rewards": len(found.rows),
                "actors": len({row.actor for row in found.rows}),
                "element": elements.most_common(1)[0][0],
            }
            now = self._service.clock.now()
            self._service.writer.submit(lambda store: raise_once(store, REWARDS_FORGED, detail, now)).result()

    def _tell_left_out(self, num: int, left_out: int) -> None:
        """Count decisions that were not learned; an alarm where they are most of a round, as where many share an id."""
        self._service.metrics.left_out.inc(left_out)
        if num >= LEAST_ROWS and left_out > num / 2:
            detail, now = {"decisions": num, "left_out": left_out}, self._service.clock.now()
            self._service.writer.submit(lambda store: raise_once(store, ACTORS_LEFT_OUT, detail, now)).result()

    def _with_candidates(
        self, base: Optimizer, current: Optimizer, rows: list[Joined]
    ) -> tuple[Optimizer, Optimizer, list[Joined]]:
        """Models on a catalogue that has the candidates which requests brought along, and the rows on it."""
        digests = {row.candidates for row in rows if row.candidates is not None}
        if not digests:
            return base, current, rows
        with self._service.engine.connect() as connection:
            apart = NamedApart(base.catalogue, read_sets(connection, digests))
        rows = apart.renamed(rows)
        return grown(base, apart.additions), grown(current, apart.additions), rows

    def _read(self, start: int, stop: int, rate_of: str) -> tuple[list[Joined], int]:
        """About `MAX_ROWS` settled decisions at most, whole instants only, and the time they reach to. rate_of: the
        events that the run learns."""
        found: list[Joined] = []
        with self._service.engine.connect() as connection:
            be_patient(connection)  # after a long rest, or for a run promoted anew, there is much to read
            for row in settled(connection, start, stop, limits=self._service.limits, rate_of=rate_of):
                if len(found) >= MAX_ROWS and row.decided_at > found[-1].decided_at:
                    return found, row.decided_at
                found.append(row)
        return found, stop


def _resumed(arm: Arm) -> LearnedState:
    """The state an arm goes on from: that of a learned version; nothing, from what it was trained to on, for a run."""
    entry, base = arm.version, arm.base
    if entry.origin == RUN:
        nothing = OnlineEvidence.nothing(base.model.layout.num_weights, base.catalogue.num_products)
        start = entry.trained_to or entry.created_at
        return LearnedState(entry.version, nothing, start, start, 0)
    arrays, learned = load_evidence(arm.optimizer.run)
    reached = int(learned["learned_to"])
    open_from = int(learned.get("open_from", reached))  # an older version had judged nothing and kept no time
    return LearnedState(entry.version, OnlineEvidence(**arrays), reached, open_from, int(learned["num_rows"]))


def _bound(optimizer: Optimizer) -> BoundRewardModel:
    return optimizer.policy.bound
