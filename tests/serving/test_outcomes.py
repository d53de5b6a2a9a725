"""What a decision is worth has one meaning: for learning, exports, reports and guardrails."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert
from tests.kits.service_rows import decision, event

from genco.serving.actor_caps import ActorCaps
from genco.serving.arm_evidence import ArmEvidence
from genco.serving.joiner import CLICKS, CONVERSIONS, EventRow, ingest, settled
from genco.serving.report_policy import recent_decisions
from genco.serving.reports import shown_combinations
from genco.serving.rollout import CANDIDATE, CONTROL, Plan, Rollout
from genco.serving.store import open_store
from genco.serving.tables import decisions, events

ROLLOUT = Rollout(1, "v", "v", Plan((50.0, 100.0), 1.0, 1), 0, 0, 0)


def guardrail_rewards(connection: Connection, *until: int) -> list[float]:
    """By arm, read in steps."""
    evidence = ArmEvidence(ROLLOUT, CONVERSIONS)
    for stop in until:
        evidence.read(connection, stop)
    return [float(value) for value in evidence.sums().reward.sum(axis=1)]


@pytest.mark.parametrize("until", [(100,), (12, 22, 100), (*range(1, 40),)])
def test_many_conversions_are_one_and_their_revenue_adds_up(store_url: str, until: tuple[int, ...]) -> None:
    """a: three orders at different times · b: an order and rewards of two slots · c: only a return · d: half a reward,
    then an order."""
    orders = [("a", 10, 5.0), ("a", 20, 7.0), ("a", 30, 1.0), ("b", 11, 3.0), ("c", 12, -4.0), ("d", 25, 2.0)]
    rows = [event(name, at, "conversion") | {"row_id": f"{name}{at}", "value": v} for name, at, v in orders]
    rewards = [("b", 13, 0.75), ("b", 21, 0.75), ("d", 14, 0.5)]
    rows += [event(name, at, "reward") | {"row_id": f"{name}{at}", "value": v} for name, at, v in rewards]
    arms = {"a": CANDIDATE, "b": CANDIDATE, "c": CONTROL, "d": CONTROL}
    engine = open_store(store_url)
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision(name, 1, True) | {"arm": arm} for name, arm in arms.items()])
        connection.execute(insert(events), rows)
    with engine.connect() as connection:
        learned = list(settled(connection, 0, 9, rate_of=CONVERSIONS))
        (shown,) = shown_combinations(connection)
        guarded = guardrail_rewards(connection, *until)
    engine.dispose()
    assert [(row.reward, row.conversions, row.revenue) for row in learned] == [
        (1.0, 1, 13.0),
        (1.0, 1, 3.0),
        (0.0, 0, 0.0),
        (1.0, 1, 2.0),
    ]
    assert (shown.impressions, shown.conversions, shown.revenue, shown.reward) == (4, 3, 18.0, 1.5)
    assert guarded == [1.0, 2.0]


def test_returns_pass_the_limit_on_rewards_and_count_against_their_decision(store_url: str) -> None:
    """The limit lets one order of an actor count: its return counts too, that of the order refused takes nothing."""
    rows = [EventRow("a", "conversion", "", 9.0, "1"), EventRow("b", "conversion", "", 8.0, "1")]
    rows += [EventRow("b", "conversion", "", -8.0, "2"), EventRow("a", "conversion", "", -4.0, "2")]
    engine, caps = open_store(store_url), ActorCaps(1, 10)
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision(name, 0, True) | {"actor": "eve"} for name in "ab"])
        verdicts = ingest(connection, rows, 5, 100, "earliest", caps, CONVERSIONS)
    with engine.connect() as connection:
        learned = list(settled(connection, 0, 9, rate_of=CONVERSIONS))
        (shown,) = shown_combinations(connection)
    engine.dispose()
    assert [verdict.status for verdict in verdicts] == ["accepted", "rejected", "accepted", "accepted"]
    assert [(row.reward, row.conversions, row.revenue) for row in learned] == [(1.0, 1, 5.0), (0.0, 0, 0.0)]
    assert (shown.conversions, shown.revenue) == (1, 5.0)


def test_decisions_of_which_nobody_knows_whether_they_were_free_are_not_valued(store_url: str) -> None:
    """Written before the store noted it."""
    engine = open_store(store_url)
    with engine.begin() as connection:
        known = [decision(f"d{i}", i, True) | {"narrowed": value} for i, value in enumerate([None, False, None, True])]
        connection.execute(insert(decisions), known)
        found, left_out = recent_decisions(connection, 9, 5, CLICKS)
    engine.dispose()
    assert ([row.event_id for row in found], left_out) == (["d1"], 3)
