"""Learns while serving: every minute the settled decisions since the last time move the reward model's posterior.

A round reads settled decisions in order of time up to a reward window ago, adds the evidence of those within their
actors' limits to the faded old one, and makes a new version, which is served at once. The evidence and the time it
reaches to are stored with the version, so a restart goes on where the served version ends: no row is learned twice or
forgotten.

In a staged rollout each arm learns from the rows of both: what a combination earns does not depend on which model
chose it, and the arm depends on the actor's hash alone.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.errors import GencoError
from genco.models.online_evidence import OnlineEvidence, evidence_of, updated_model
from genco.policies.optimizer import Optimizer
from genco.runtime.reward_model import BoundRewardModel
from genco.serving.additions import grown
from genco.serving.alarms import ACTORS_LEFT_OUT, raise_once
from genco.serving.arms import Arm
from genco.serving.candidate_sets import read_sets
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
    """What was learned on one run. version: made of it · learned_to: decisions before this time are in the evidence."""

    version: str
    evidence: OnlineEvidence
    learned_to: int
    num_rows: int


@dataclass(frozen=True)
class EncodedRows:
    """Joined decisions as rows of the catalogue: product [row], combination [row, slot], context [row, num_context],
    reward [row], place [row] among the decisions."""

    product: NDArray[np.int32]
    combination: NDArray[np.int32]
    context: NDArray[np.float32]
    reward: NDArray[np.float32]
    place: NDArray[np.int64]


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
        num_rows = state.num_rows + len(encoded.product)
        version = service.live.serve_learned(
            name,
            state.version,
            updated_model(_bound(arm.base), evidence),
            vars(evidence),
            {"learned_to": stop, "num_rows": num_rows},
        )
        if version is None:
            return 0
        self._states[name] = LearnedState(version, evidence, stop, num_rows)
        service.metrics.settled_to.set(stop / 1e6)
        self._tell_left_out(len(rows), len(rows) - len(counting))
        return len(rows)

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
        return LearnedState(entry.version, nothing, entry.trained_to or entry.created_at, 0)
    arrays, learned = load_evidence(arm.optimizer.run)
    return LearnedState(entry.version, OnlineEvidence(**arrays), int(learned["learned_to"]), int(learned["num_rows"]))


def encode_rows(optimizer: Optimizer, rows: Sequence[Joined]) -> EncodedRows:
    """Joined decisions as arrays. What the catalogue does not know is left out; rewards above 1 count as 1."""
    products, elements = optimizer.catalogue.product_rows, optimizer.catalogue.element_rows
    contexts: dict[str, NDArray[np.float32]] = {}
    kept: list[tuple[int, list[int], NDArray[np.float32], float, int]] = []
    for place, row in enumerate(rows):
        product = products.get(row.product_id)
        combination = [EMPTY if name is None else elements.get(name, -2) for name in row.combination]
        key = json.dumps(row.context, sort_keys=True)
        if product is None or -2 in combination or len(combination) != optimizer.catalogue.num_slots:
            continue
        if key not in contexts:
            try:
                known = {name: value for name, value in row.context.items() if value is not None}
                contexts[key] = optimizer.context(known)
            except GencoError:
                continue
        kept.append((product, combination, contexts[key], min(row.reward, 1.0), place))
    size = len(kept)
    return EncodedRows(
        np.array([row[0] for row in kept], dtype=np.int32),
        np.array([row[1] for row in kept], dtype=np.int32).reshape(size, optimizer.catalogue.num_slots),
        np.array([row[2] for row in kept], dtype=np.float32).reshape(size, optimizer.encoders.context.dim),
        np.array([row[3] for row in kept], dtype=np.float32),
        np.array([row[4] for row in kept], dtype=np.int64),
    )


def _bound(optimizer: Optimizer) -> BoundRewardModel:
    return optimizer.policy.bound
