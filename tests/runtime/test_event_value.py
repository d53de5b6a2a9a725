"""The value of an event: own, or the mean over products; there and back as arrays."""

from __future__ import annotations

import math

import pytest

from genco.runtime.event_value import EventValue


def test_a_product_never_seen_has_the_overall_mean() -> None:
    value = EventValue(7.0, {"p1": 2.5})
    assert value.of("p1") == 2.5 and value.of("p9") == 7.0
    assert value.of_many(["p9", "p1"]).tolist() == [7.0, 2.5]


def test_arrays_and_back() -> None:
    sure = EventValue(7.0, {"p2": 2.5, "p1": 0.1}, {"p2": 0.3}, 0.5)
    for value in (EventValue(7.0, {"p2": 2.5, "p1": 0.1}), EventValue(0.0, {}), sure):
        assert EventValue.from_arrays(*value.to_arrays()) == value


def test_intervals() -> None:
    """e^(1.96 sd) to either side; none where the run does not know, such as one trained before there were any."""
    value = EventValue(8.0, {"p1": 2.0, "p2": 3.0}, {"p1": math.log(2) / 1.959964}, math.log(4) / 1.959964)
    assert value.interval("p1") == pytest.approx((1.0, 4.0)) and value.interval("p9") == pytest.approx((2.0, 32.0))
    assert value.interval("p2") is None
    arrays, description = value.to_arrays()
    old = EventValue.from_arrays({name: arrays[name] for name in ("value", "overall")}, description)
    assert old.interval("p1") is None and old.interval("p9") is None and old.of("p1") == 2.0
