"""When a rollout has to end: rules that compare the candidate's decisions with the control's in one stage.

All of them may be asked again and again as evidence comes in. Sums are kept by bucket of the unit (actor), and buckets,
not decisions, count as independent: an actor with many decisions makes no interval too narrow. Axis `arm`: control,
candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, chdtrc

Floats = NDArray[np.float64]
VALUE, ERRORS, LATENCY, SAMPLE_RATIO = "rollout_value", "rollout_errors", "rollout_latency", "rollout_sample_ratio"
LEVEL = 0.05
SCALE = 0.2
SHARE_SCALE = 0.1
LEAST_REWARD = 20.0
SMALLEST_P = 1e-3
LEAST_DECISIONS = 100
LEAST_BUCKETS = 50.0
LEAST_FAILED = 5
SLOWER = 2.0


@dataclass(frozen=True)
class Limits:
    """error_rate: by how much the candidate's share of failed choices may exceed the control's · latency_ms: what its
    p99 may always be."""

    error_rate: float = 0.01
    latency_ms: float = 100.0


@dataclass(frozen=True)
class Recent:
    """Choices of one arm lately. num_failed: timed out or not scored · p99_ms: None of fewer than `LEAST_DECISIONS`."""

    num: int = 0
    num_failed: int = 0
    p99_ms: float | None = None

    @property
    def error_rate(self) -> float:
        return self.num_failed / self.num if self.num else 0.0


@dataclass(frozen=True)
class Evidence:
    """One stage. decisions, reward: [arm, bucket], all of them · recent: by arm · share: of units that the candidate
    should have."""

    share: float
    decisions: Floats
    reward: Floats
    recent: tuple[Recent, Recent]


@dataclass(frozen=True)
class Breach:
    """A guardrail that was broken, and the figures that say so."""

    name: str
    figures: dict[str, float]


def breaches(evidence: Evidence, limits: Limits) -> list[Breach]:
    """The guardrails that are broken."""
    control, candidate = evidence.recent
    found = (
        _value(evidence.decisions, evidence.reward),
        _errors(control, candidate, limits.error_rate),
        _latency(control, candidate, limits.latency_ms),
        _sample_ratio(evidence.decisions, evidence.share),
    )
    return list(chain.from_iterable([each] for each in found if each is not None))


def difference(decisions: Floats, reward: Floats) -> tuple[float, float, float] | None:
    """Mean reward of a decision of the candidate less that of the control, and its interval; None of too few decisions.

    The interval holds at all times at once with 95% (a normal mixture confidence sequence: Robbins 1970;
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024), so that looking every few seconds does no harm. It is tightest
    for differences of about `SCALE` of the control's mean. One variance serves both arms, or a candidate without a
    reward would seem certain of it. The split was random, so means need no weights.
    """
    num, total = decisions.sum(axis=1), reward.sum(axis=1)
    if not enough(decisions) or num[1] * total[0] / num[0] < LEAST_REWARD:
        return None
    mean = total / num
    residual = reward - mean[:, None] * decisions
    variance = float((residual**2).sum() / num.sum() * (1.0 / num).sum())
    point, prior = float(mean[1] - mean[0]), float(SCALE * mean[0]) ** 2
    both = variance + prior
    half = float(np.sqrt(2 * variance * both / prior * (0.5 * np.log(both / variance) - np.log(LEVEL))))
    return point, point - half, point + half


def enough(decisions: Floats) -> bool:
    """Whether sums over buckets are near normal: those of both arms as good as `LEAST_BUCKETS` alike (Kish 1965)."""
    squared = (decisions**2).sum(axis=1)
    return bool(squared.min() > 0 and (decisions.sum(axis=1) ** 2 / squared).min() >= LEAST_BUCKETS)


def _value(decisions: Floats, reward: Floats) -> Breach | None:
    """The interval of the difference lies below zero."""
    found = difference(decisions, reward)
    if found is None or found[2] >= 0:
        return None
    return Breach(VALUE, dict(zip(("difference", "low", "high"), found, strict=True)))


def _errors(control: Recent, candidate: Recent, limit: float) -> Breach | None:
    """More choices fail than in the control by `limit`, and by more than chance: given all failures, as many fall to
    the candidate with a probability below `SMALLEST_P`."""
    if candidate.num_failed < LEAST_FAILED or candidate.error_rate - control.error_rate <= limit:
        return None
    failed, share = control.num_failed + candidate.num_failed, candidate.num / (control.num + candidate.num)
    chance = float(bdtrc(candidate.num_failed - 1, failed, share)) if control.num else 0.0
    if chance >= SMALLEST_P:
        return None
    rates = {"control_error_rate": control.error_rate, "candidate_error_rate": candidate.error_rate}
    return Breach(ERRORS, {**rates, "p": chance})


def _latency(control: Recent, candidate: Recent, limit_ms: float) -> Breach | None:
    """The candidate's p99 is above the limit, and more than `SLOWER` times the control's."""
    if candidate.p99_ms is None or control.p99_ms is None:
        return None
    if candidate.p99_ms <= max(limit_ms, SLOWER * control.p99_ms):
        return None
    return Breach(LATENCY, {"control_p99_ms": control.p99_ms, "candidate_p99_ms": candidate.p99_ms})


def _sample_ratio(decisions: Floats, share: float) -> Breach | None:
    """The arms' counts are not as the share says.

    Chi-squared with one degree of freedom, its variance taken over buckets; acted on only where the p-value that holds
    at all times at once (the same mixture as of `difference`) is below `SMALLEST_P` too.
    """
    if not enough(decisions):
        return None
    total = float(decisions.sum())
    excess = decisions[1] - share * decisions.sum(axis=0)
    variance, prior = max(float((excess**2).sum()), 1e-300), (SHARE_SCALE * share * total) ** 2
    squared, both = float(excess.sum()) ** 2, variance + prior
    log_p = 0.5 * np.log(both / variance) - squared * prior / (2 * variance * both)
    if log_p >= np.log(SMALLEST_P):
        return None
    p = float(chdtrc(1, squared / variance))
    return Breach(SAMPLE_RATIO, {"expected": share * total, "found": float(decisions[1].sum()), "p": p})
