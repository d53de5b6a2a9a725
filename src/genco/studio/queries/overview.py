"""What the overview shows: lift against the holdout, traffic, exploration, model, alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass

from genco.runtime.attribution import Z_95
from genco.serving.decider import HOLDOUT, MODEL
from genco.studio.queries.alarms import Alarm, open_alarms
from genco.studio.studio import Studio
from genco.studio.tally import HOUR, SECOND, Counts, Flow

MIN_CLICKS = 10
MAX_POINTS = 60
LENGTHS = tuple(length * SECOND for length in (5, 15, 60, 300, 900, 3_600, 10_800, 43_200, 86_400, 604_800))


@dataclass(frozen=True)
class Lift:
    """Click rate of the model over that of the holdout, minus 1, with its 95% interval; None before `MIN_CLICKS` clicks
    of each."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PolicyTraffic:
    """What one policy has shown. share: of all impressions · rate: clicks an impression, None of none."""

    policy: str
    impressions: int
    clicks: int
    rate: float | None
    share: float


@dataclass(frozen=True)
class Point:
    """One period, and the lift of everything up to its end. start: microseconds · impressions: of all policies."""

    start: int
    impressions: int
    clicks: int
    lift: Lift


@dataclass(frozen=True)
class Overview:
    """Everything on the overview.

    until: decisions before this time are counted · is_complete: False while the log is read for the first time ·
    exploration: share of the model's impressions whose combination had a propensity below one half · spread: over how
    many combinations a request's traffic goes, exp of the mean -log propensity · period: microseconds of a point ·
    rate_of: the events that clicks and rates are of.
    """

    until: int
    rate_of: str
    is_complete: bool
    mode: str
    model_version: str
    served_since: int | None
    learning: bool
    num_products: int
    num_elements: int
    impressions: int
    clicks: int
    lift: Lift
    exploration: float | None
    spread: float | None
    traffic: tuple[PolicyTraffic, ...]
    period: int
    points: tuple[Point, ...]
    alarms: tuple[Alarm, ...]


def overview(studio: Studio) -> Overview:
    """The overview as last counted."""
    service, counts = studio.service, studio.view().counts
    model, total = service.model, counts.total
    chosen = counts.policy(MODEL)
    period, points = _points(counts)
    return Overview(
        until=counts.until,
        rate_of=counts.rate_of,
        is_complete=studio.tally.is_complete,
        mode=service.config.mode,
        model_version=model.version,
        served_since=service.live.version.created_at,
        learning=service.live.learning,
        num_products=model.catalogue.num_products,
        num_elements=model.catalogue.num_elements,
        impressions=total.impressions,
        clicks=total.clicks,
        lift=lift(chosen, counts.policy(HOLDOUT)),
        exploration=chosen.explored / chosen.impressions if chosen.impressions else None,
        spread=math.exp(chosen.surprise / chosen.impressions) if chosen.impressions else None,
        traffic=_traffic(counts, total),
        period=period,
        points=points,
        alarms=open_alarms(studio),
    )


def lift(model: Flow, holdout: Flow) -> Lift:
    """Ratio of two rates with the interval of its logarithm (delta method)."""
    if min(model.clicks, holdout.clicks) < MIN_CLICKS:
        return Lift(None, None, None)
    rates = [flow.clicks / flow.impressions for flow in (model, holdout)]
    spread = sum((1 - rate) / flow.clicks for rate, flow in zip(rates, (model, holdout), strict=True))
    middle, width = math.log(rates[0] / rates[1]), Z_95 * math.sqrt(spread)
    value, low, high = (math.expm1(middle + step * width) for step in (0, -1, 1))
    return Lift(value, low, high)


def _traffic(counts: Counts, total: Flow) -> tuple[PolicyTraffic, ...]:
    policies = sorted({policy for _, policy in counts.flows})
    flows = [(policy, counts.policy(policy)) for policy in policies]
    return tuple(
        PolicyTraffic(
            policy, flow.impressions, flow.clicks, flow.clicks / flow.impressions, flow.impressions / total.impressions
        )
        for policy, flow in sorted(flows, key=lambda pair: -pair[1].impressions)
    )


def _points(counts: Counts) -> tuple[int, tuple[Point, ...]]:
    """At most about `MAX_POINTS` periods of equal length."""
    if not counts.flows:
        return LENGTHS[0], ()
    starts = [start for start, _ in counts.flows]
    finest = HOUR if counts.until - min(starts) > 48 * HOUR else 60 * SECOND if counts.until - min(starts) > HOUR else 1
    span = max(starts) - min(starts)
    length = next((n for n in LENGTHS if n >= finest and span / n <= MAX_POINTS), LENGTHS[-1])
    by_period: dict[int, dict[str, Flow]] = {}
    for (start, policy), flow in sorted(counts.flows.items()):
        period = by_period.setdefault(start - start % length, {})
        period[policy] = period.get(policy, Flow()) + flow
    reached = {MODEL: Flow(), HOLDOUT: Flow()}
    points = []
    for start, period in sorted(by_period.items()):
        reached = {policy: flow + period.get(policy, Flow()) for policy, flow in reached.items()}
        whole = sum(period.values(), Flow())
        points.append(Point(start, whole.impressions, whole.clicks, lift(reached[MODEL], reached[HOLDOUT])))
    return length, tuple(points)
