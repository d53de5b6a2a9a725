import numpy as np
import pytest

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.online.environment import RateEnvironment, constant, taking_turns
from genco.benchmarks.online.loop import PlayConfig, play
from genco.benchmarks.online.uniform import UniformPolicy
from genco.errors import ConfigError, DataError


class Scripted:
    """Serves the given arm of each item, one row per batch, and keeps what it is told."""

    def __init__(self, script: list[list[int]]) -> None:
        self.script, self.batch, self.told = script, 0, []

    def choose(self, items):
        arms = np.array(self.script[min(self.batch, len(self.script) - 1)])
        self.batch += 1
        return arms[items]

    def update(self, items, arms, clicks):
        self.told.append((items, arms, clicks))


def two_items() -> ArmTable:
    item = np.array([0, 0, 1, 1, 1], dtype=np.int32)
    return ArmTable(item, np.arange(5, dtype=np.int32)[:, None], np.zeros((2, 0), dtype=np.int32))


def one_item(num: int = 3) -> ArmTable:
    return ArmTable(np.zeros(num, np.int32), np.arange(num, dtype=np.int32)[:, None], np.zeros((1, 0), np.int32))


def test_value_by_hand() -> None:
    """Rates .1 .2 .3: uniform .2, best .3. A batch on the best is 1, on the worst -1, on the middle 0."""
    environment = RateEnvironment(one_item(), constant(np.array([0.1, 0.2, 0.3])))
    policy = Scripted([[2], [0], [1], [2], [2], [2]])
    found = play(policy, environment, PlayConfig(views=60, update_every=10, record_every=20), 0)
    assert [c.views for c in found] == [20, 40, 60]
    np.testing.assert_allclose([c.window for c in found], [0.0, 0.5, 1.0], atol=1e-12)
    np.testing.assert_allclose([c.cumulative for c in found], [0.0, 0.25, 0.5], atol=1e-12)


def test_items_weigh_by_what_there_is_to_gain() -> None:
    """Item 0 gains at most .1, item 1 at most .3; served: the worst of item 0 and the best of item 1."""
    environment = RateEnvironment(two_items(), constant(np.array([0.2, 0.4, 0.1, 0.2, 0.6])))
    policy = Scripted([[0, 4]])
    found = play(policy, environment, PlayConfig(views=1_000, update_every=1_000, record_every=1_000), 3)
    items = policy.told[0][0]
    n0, n1 = (items == 0).sum(), (items == 1).sum()
    assert 400 < n0 < 600
    assert found[0].cumulative == pytest.approx((0.3 * n1 - 0.1 * n0) / (0.1 * n0 + 0.3 * n1))


def test_drift_is_judged_by_the_rates_of_the_moment() -> None:
    environment = RateEnvironment(one_item(2), taking_turns((np.array([0.0, 1.0]), np.array([1.0, 0.0])), every=20))
    policy = Scripted([[1]])
    found = play(policy, environment, PlayConfig(views=60, update_every=10, record_every=20), 0)
    assert [c.window for c in found] == [1.0, -1.0, -1.0]
    assert [int(clicks.sum()) for *_, clicks in policy.told] == [10, 10, 0, 0, 0, 0]


def test_late_and_lost_clicks() -> None:
    """Every view clicked; mean delay 100, window 100: 1 - 1/e arrive, half of them lost; told 100 views later."""
    environment = RateEnvironment(one_item(1), constant(np.array([1.0])))
    config = PlayConfig(40_000, 50, 10_000, mean_delay=100.0, attribution_window=100, lost_clicks=0.5)
    policy = Scripted([[0]])
    found = play(policy, environment, config, 0)
    told = np.concatenate([clicks for *_, clicks in policy.told])
    assert len(told) == 40_000 - 100
    assert told.mean() == pytest.approx(0.5 * (1 - np.exp(-1)), abs=0.01)
    assert found[0].cumulative == 0.0  # one arm: nothing to gain


def test_policies_meet_the_same_luck() -> None:
    environment = RateEnvironment(one_item(2), constant(np.array([0.5, 0.5])))
    config = PlayConfig(views=200, update_every=100, record_every=100, random_views=30)
    left, right = Scripted([[0]]), Scripted([[1]])
    play(left, environment, config, 5)
    play(right, environment, config, 5)
    assert len(left.told[0][0]) == 30
    for (_, _, a), (_, _, b) in zip(left.told[1:], right.told[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_uniform_is_zero() -> None:
    environment = RateEnvironment(two_items(), constant(np.array([0.2, 0.4, 0.1, 0.2, 0.6])))
    found = play(UniformPolicy(two_items(), 1), environment, PlayConfig(50_000, 1_000, 50_000), 1)
    assert abs(found[0].cumulative) < 0.02


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"update_every": 300}, "`record_every` should be a multiple of `update_every`"),
        ({"views": 15_000}, "`views` should be a multiple of `record_every` = 10000. Found 15000"),
        ({"lost_clicks": 1.5}, "`lost_clicks` should be in"),
        ({"mean_delay": -1.0}, "should not be negative. Found -1.0"),
    ],
)
def test_a_wrong_configuration(values: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        PlayConfig(**values)


def test_an_arm_of_another_item() -> None:
    environment = RateEnvironment(two_items(), constant(np.full(5, 0.5)))
    with pytest.raises(DataError, match=r"An arm of item 1 is expected\. Found arm 0 of item 0"):
        play(Scripted([[0, 0]]), environment, PlayConfig(10, 10, 10), 0)
    with pytest.raises(DataError, match="One arm from 0 to 4"):
        play(Scripted([[0, 9]]), environment, PlayConfig(10, 10, 10), 0)
    with pytest.raises(DataError, match=r"5 click rates in \[0, 1\]"):
        RateEnvironment(two_items(), constant(np.full(5, 1.5))).at(0)
