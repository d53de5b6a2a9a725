"""Peers reproduce, within four standard errors, what their published code reached on the AES tables."""

import numpy as np
import pytest
from tests.kits.real_data import real_data

from genco.benchmarks.online.loop import PlayConfig, play
from genco.benchmarks.online.policies import PEERS
from genco.benchmarks.online.tables import aes_environment

SEEDS = range(101, 106)
PUBLISHED_RUNS = 15
# name: (mean, standard deviation over runs) of the cumulative normalised value at 240,000 views, `online` and `new`
PUBLISHED = {
    "uniform": ((0.00, 0.01), (0.00, 0.01)),
    "epsilon_greedy": ((0.31, 0.15), (0.16, 0.05)),
    "combination_thompson": ((0.06, 0.01), (0.07, 0.02)),
    "ucb": ((0.04, 0.02), (0.04, 0.01)),
    "independent_greedy": ((0.26, 0.19), (0.41, 0.19)),
    "edge_ts": ((0.40, 0.24), (0.28, 0.07)),
    "lin_ucb": ((0.20, 0.13), (0.35, 0.22)),
    "te_greedy": ((0.35, 0.25), (0.42, 0.10)),
    "full_ts": ((0.41, 0.20), (0.22, 0.07)),
    "vertex_ts": ((0.29, 0.22), (0.41, 0.15)),
    "aes": ((0.36, 0.26), (0.33, 0.10)),
}


@pytest.mark.soak
@pytest.mark.parametrize("table", [0, 1], ids=["online", "new"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_reproduces_the_published_figure(name: str, table: int) -> None:
    environment = aes_environment(real_data(("aes/ctr_online.txt", "aes/ctr_new.txt")[table]))
    reached = [
        play(PEERS[name](environment.arms, seed), environment, PlayConfig(), seed)[-1].cumulative for seed in SEEDS
    ]
    mean, spread = PUBLISHED[name][table]
    error = spread * np.sqrt(1 / len(SEEDS) + 1 / PUBLISHED_RUNS)
    assert abs(np.mean(reached) - mean) < 4 * error
