import numpy as np

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.online.environment import RateEnvironment, constant
from genco.benchmarks.online.genco import GencoPolicy
from genco.benchmarks.online.loop import PlayConfig, play

ELEMENTS = np.array([(a, b) for a in range(3) for b in range(4)], dtype=np.int32)
ARMS = ArmTable(np.zeros(12, np.int32), ELEMENTS, np.zeros((1, 0), np.int32))
RATES = 0.02 + 0.01 * ELEMENTS[:, 0] + 0.004 * ELEMENTS[:, 1]


def test_twelve_arms() -> None:
    config = PlayConfig(views=40_000, update_every=1_000, record_every=20_000)
    found = play(GencoPolicy(ARMS, 0), RateEnvironment(ARMS, constant(RATES)), config, 0)
    assert found[-1].cumulative > 0.5 and found[-1].window > 0.7


def test_equal_seeds_give_equal_runs() -> None:
    config = PlayConfig(views=5_000, update_every=1_000, record_every=5_000)
    runs = [play(GencoPolicy(ARMS, 3), RateEnvironment(ARMS, constant(RATES)), config, 3) for _ in range(2)]
    assert runs[0] == runs[1]


def test_late_clicks() -> None:
    config = PlayConfig(40_000, 1_000, 20_000, mean_delay=2_000, attribution_window=5_000, lost_clicks=0.02)
    found = play(GencoPolicy(ARMS, 0), RateEnvironment(ARMS, constant(RATES)), config, 0)
    assert found[-1].window > 0.5
