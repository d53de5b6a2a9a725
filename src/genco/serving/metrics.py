"""What Prometheus reads. One registry a service, so that tests and embedders never collide."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters, gauges and histograms of one service."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("genco_requests", "Requests answered.", ("route", "status"), registry=registry)
        self.seconds = Histogram(
            "genco_request_seconds", "Time to answer a request.", ("route",), registry=registry, buckets=_SECONDS
        )
        self.decisions = Counter("genco_decisions", "Decisions served.", ("policy", "reason"), registry=registry)
        self.events = Counter("genco_events", "Event rows answered.", ("kind", "status"), registry=registry)
        self.waiting = Gauge("genco_store_waiting", "Writes waiting for the store.", registry=registry)
        self.settled_to = Gauge("genco_learned_to_seconds", "Decisions up to this time are learned.", registry=registry)
        self.swaps = Counter("genco_model_swaps", "Changes of the served model.", ("why",), registry=registry)
        self.left_out = Counter(
            "genco_learn_left_out", "Decisions not learned: their actor is beyond its limits.", registry=registry
        )
        self.forged = Gauge("genco_learn_forged", "Rewards taken for forged at the last look.", registry=registry)
        self.learn_seconds = Gauge("genco_learn_seconds", "Length of the last round of learning.", registry=registry)
        self.learn_failures = Counter("genco_learn_failures", "Rounds of learning that failed.", registry=registry)
        self.rollout_share = Gauge("genco_rollout_share", "Of actors that the candidate answers.", registry=registry)
        self.open_alarms = Gauge("genco_open_alarms", "Alarms nobody has closed.", ("name",), registry=registry)
        self.guardrail_rollbacks = Counter(
            "genco_guardrail_rollbacks", "Rollouts a guardrail ended.", ("guardrail",), registry=registry
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)
