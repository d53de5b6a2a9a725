"""The value of an event: own, or the mean over products; there and back as arrays."""

from __future__ import annotations

from genco.runtime.event_value import EventValue


def test_a_product_never_seen_has_the_overall_mean() -> None:
    value = EventValue(7.0, {"p1": 2.5})
    assert value.of("p1") == 2.5 and value.of("p9") == 7.0
    assert value.of_many(["p9", "p1"]).tolist() == [7.0, 2.5]


def test_arrays_and_back() -> None:
    for value in (EventValue(7.0, {"p2": 2.5, "p1": 0.1}), EventValue(0.0, {})):
        assert EventValue.from_arrays(*value.to_arrays()) == value
