"""Watches a staged rollout: ends it where a guardrail is broken, and goes on to the next stage when it is due."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import Connection

from genco.serving.alarms import open_alarms, raise_alarm
from genco.serving.arm_evidence import ArmEvidence
from genco.serving.audit import note
from genco.serving.decider import ONLINE
from genco.serving.guardrails import Breach, Evidence, Limits, breaches
from genco.serving.rollout import Rollout
from genco.serving.service import Service

log = logging.getLogger(__name__)
SETTLE_US = 2_000_000  # beyond the time to choose: what is older is on its way to the writer, or with it
GUARD = "guardrail"


class Guard:
    """Rounds of watching in a thread of its own. Use `start` and `stop`, or `round` by hand."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = Limits(service.config.guard_error_rate, service.config.guard_latency_ms)
        self._reading: ArmEvidence | None = None
        self._seen: Evidence | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._service.config.guard_every_seconds > 0:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="genco-guard", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._service.config.guard_every_seconds):
            try:
                self.round()
            except Exception:  # one round that fails must not end the watch
                log.exception("watching the rollout failed")

    def evidence(self, rollout: Rollout) -> Evidence | None:
        """What the rollout's stage has shown by the last round."""
        reading = self._reading
        return self._seen if reading is not None and reading.is_of(rollout) else None

    def round(self) -> list[Breach]:
        """Read what has come in, then end the rollout, go on with it, or leave it. Returns the broken guardrails."""
        service = self._service
        self._show()
        under_way = service.live.serving.rollout
        if under_way is None:
            return []
        evidence = self._read(under_way)
        broken = breaches(evidence, self._limits)
        now = service.clock.now()
        if broken:
            self._end(under_way, broken, now)
        elif service.config.mode == ONLINE and under_way.is_due(now, int(evidence.decisions[1].sum())):
            service.live.advance(under_way.started_from)  # its name stays while it learns
        return broken

    def _read(self, rollout: Rollout) -> Evidence:
        """The stage's evidence up to now. After a restart it is read from the store again."""
        if self._reading is None or not self._reading.is_of(rollout):
            self._seen, self._reading = None, ArmEvidence(rollout, self._service.live.serving.control.base.meta.reward)
        until = self._service.clock.now() - SETTLE_US - round(self._service.config.timeout_ms * 1e3)
        self._service.writer.submit(lambda _: None).result()  # what was received before now is in the store after this
        while self._reading.reached < until and not self._stop.is_set():
            with self._service.engine.connect() as connection:
                self._reading.read(connection, until)
        self._seen = self._reading.sums()
        return self._seen

    def _end(self, rollout: Rollout, broken: list[Breach], now: int) -> None:
        """Take the candidate out of service, with its alarms and the line in the audit log in the same transaction."""
        detail = {"rollout": rollout.number, "version": rollout.candidate, "stage": rollout.stage}

        def tell(connection: Connection) -> None:
            for breach in broken:
                raise_alarm(connection, breach.name, {**detail, **breach.figures}, now)
            acts = {**detail, "guardrails": [breach.name for breach in broken]}
            note(connection, now, GUARD, "roll_back_model", acts)

        names = ", ".join(breach.name for breach in broken)
        if self._service.live.end_rollout(rollout.number, f"rolled back by guardrail: {names}", tell):
            log.warning("a guardrail rolled back a model", extra={**detail, "guardrails": names})
            for breach in broken:
                self._service.metrics.guardrail_rollbacks.labels(breach.name).inc()
            self._show()

    def _show(self) -> None:
        """Open alarms and the candidate's share, as metrics."""
        metrics, under_way = self._service.metrics, self._service.live.serving.rollout
        metrics.rollout_share.set(0.0 if under_way is None else under_way.share)
        with self._service.engine.connect() as connection:
            found = open_alarms(connection)
        metrics.open_alarms.clear()
        for alarm in found:
            metrics.open_alarms.labels(alarm.name).inc()
