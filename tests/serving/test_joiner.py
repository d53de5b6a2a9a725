"""The joiner against a reference of a few lines, and by hand."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Engine, StaticPool, create_engine, insert
from tests.kits.service_rows import decision

from genco.serving.joiner import KINDS, EventRow, ingest, row_id, settled
from genco.serving.tables import decisions, metadata

WINDOW = 10


@pytest.fixture
def engine() -> Engine:
    return memory_store()


def memory_store() -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return engine


def take(engine: Engine, rows: list[EventRow], at: int, reward: str = "earliest") -> list[str]:
    with engine.begin() as connection:
        return [verdict.status for verdict in ingest(connection, rows, at, WINDOW, reward)]


def learned(engine: Engine) -> dict[str, float]:
    with engine.connect() as connection:
        return {row.event_id: row.reward for row in settled(connection, 0, 10**9)}


def test_by_hand(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision("a", 100), decision("b", 100), decision("c", 100, True)])
    rows = [EventRow("a", "impression"), EventRow("a", "click"), EventRow("a", "click"), EventRow("b", "click")]
    assert take(engine, [*rows, EventRow("x", "click")], 110) == [
        "accepted",
        "accepted",
        "duplicate",
        "accepted",
        "rejected",
    ]
    assert (
        take(engine, [EventRow("c", "reward", value=0.5), EventRow("a", "conversion", value=3.0)], 111) == ["late"] * 2
    )
    # b was clicked but never reported as shown; c was shown at once and its reward came late.
    assert learned(engine) == {"a": 1.0, "c": 0.0}


def test_one_reward_a_slot_or_all_of_them(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision("a", 0, True), decision("b", 0, True)])
    for event_id, how in (("a", "earliest"), ("b", "sum")):
        rows = [EventRow(event_id, "reward", slot, 0.25, name) for slot in ("t", "u") for name in ("1", "2", "2")]
        take(engine, rows, 1, how)
    assert learned(engine) == {"a": 0.5, "b": 1.0}


def test_revenue_of_conversions_adds_up_by_id(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision("a", 0, True)])
    rows = [EventRow("a", "conversion", value=v, id=i) for v, i in ((5.0, "1"), (7.0, "2"), (7.0, "2"))]
    assert take(engine, rows, 1) == ["accepted", "accepted", "duplicate"]
    with engine.connect() as connection:
        (row,) = settled(connection, 0, 1)
    assert (row.conversions, row.revenue, row.reward, row.combination) == (1, 12.0, 0.0, ("t1", None))


@pytest.mark.parametrize(
    ("kind", "value"), [("reward", 1.5), ("reward", -0.1), ("click", 2.0), ("conversion", float("inf"))]
)
def test_values_out_of_range_are_rejected(engine: Engine, kind: str, value: float) -> None:
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision("a", 0, True)])
        (verdict,) = ingest(connection, [EventRow("a", kind, value=value)], 1, WINDOW, "earliest")
    assert (verdict.status, verdict.code) == ("rejected", "value_out_of_range")


def test_parts_of_a_row_id_do_not_run_together() -> None:
    assert row_id(EventRow("ab", "conversion", "c"), "sum") != row_id(EventRow("a", "conversion", "bc"), "sum")


class Reference:
    """What the joiner should do, in plain words."""

    def __init__(self) -> None:
        self.decided: dict[str, tuple[int, bool]] = {}
        self.seen: set[tuple[str, ...]] = set()
        self.reward: dict[str, float] = {}
        self.shown: set[str] = set()

    def take(self, row: EventRow, now: int) -> str:
        if row.event_id not in self.decided:
            return "rejected"
        if row.kind in ("impression", "activation"):
            key: tuple[str, ...] = (row.event_id, row.kind)
        elif row.kind in ("click", "reward"):
            key = (row.event_id, "rewarded", row.slot_id)
        else:
            key = (row.event_id, "converted", row.slot_id, row.id)
        if key in self.seen:
            return "duplicate"
        self.seen.add(key)
        if now > self.decided[row.event_id][0] + WINDOW:
            return "late"
        if row.kind in ("impression", "activation"):
            self.shown.add(row.event_id)
        elif row.kind in ("click", "reward"):
            self.reward[row.event_id] = min(1.0, self.reward.get(row.event_id, 0.0) + row.value)
        return "accepted"

    def learned(self) -> dict[str, float]:
        shown = self.shown | {name for name, (_, activated) in self.decided.items() if activated}
        return {name: self.reward.get(name, 0.0) for name in shown}


class Joining(RuleBasedStateMachine):
    """Decisions, batches of events and time, in any order."""

    ids = Bundle("ids")

    @initialize()
    def begin(self) -> None:
        self.engine, self.reference, self.now = memory_store(), Reference(), 0

    @rule(target=ids, activated=st.booleans())
    def decide(self, activated: bool) -> str:
        name = f"d{len(self.reference.decided)}"
        with self.engine.begin() as connection:
            connection.execute(insert(decisions), [decision(name, self.now, activated)])
        self.reference.decided[name] = (self.now, activated)
        return name

    @rule(by=st.integers(1, WINDOW))
    def wait(self, by: int) -> None:
        self.now += by

    @rule(data=st.data(), names=st.lists(st.one_of(ids, st.just("unknown")), max_size=6))
    def report(self, data: st.DataObject, names: list[str]) -> None:
        few = st.sampled_from(["", "a", "b"])
        value = st.sampled_from([0.0, 0.25, 1.0])
        rows = [
            EventRow(name, data.draw(st.sampled_from(KINDS)), data.draw(few), data.draw(value), data.draw(few))
            for name in names
        ]
        assert take(self.engine, rows, self.now) == [self.reference.take(row, self.now) for row in rows]

    @invariant()
    def same_outcomes(self) -> None:
        if hasattr(self, "engine"):
            assert learned(self.engine) == self.reference.learned()


TestJoining = Joining.TestCase
TestJoining.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
