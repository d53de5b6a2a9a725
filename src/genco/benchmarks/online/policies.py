"""Policies of the online suites, by name. What each is and where it comes from: docs/reference/peers.md."""

from __future__ import annotations

from genco.benchmarks.online.genco import GencoPolicy, genco_half_life
from genco.benchmarks.online.policy import PolicyFactory
from genco.benchmarks.online.uniform import UniformPolicy
from genco.benchmarks.peers.aes import aes
from genco.benchmarks.peers.combination_thompson import CombinationThompson
from genco.benchmarks.peers.edge_ts import edge_ts
from genco.benchmarks.peers.epsilon_greedy import EpsilonGreedy
from genco.benchmarks.peers.fm_greedy import FmGreedy
from genco.benchmarks.peers.full_ts import full_ts
from genco.benchmarks.peers.independent_greedy import IndependentGreedy
from genco.benchmarks.peers.lin_ucb import LinUcb
from genco.benchmarks.peers.linear_thompson import linear_thompson
from genco.benchmarks.peers.mabwiser_elements import mabwiser_lin_ucb, mabwiser_thompson
from genco.benchmarks.peers.mvt import Mvt
from genco.benchmarks.peers.te_greedy import te_greedy
from genco.benchmarks.peers.ucb import Ucb
from genco.benchmarks.peers.vertex_ts import vertex_ts

PEERS: dict[str, PolicyFactory] = {
    "uniform": UniformPolicy,
    "epsilon_greedy": EpsilonGreedy,
    "combination_thompson": CombinationThompson,
    "ucb": Ucb,
    "independent_greedy": IndependentGreedy,
    "lin_ucb": LinUcb,
    "linear_thompson": linear_thompson,
    "vertex_ts": vertex_ts,
    "edge_ts": edge_ts,
    "full_ts": full_ts,
    "te_greedy": te_greedy,
    "aes": aes,
    "mvt": Mvt,
    "fm_greedy": FmGreedy,
    "mabwiser_thompson": mabwiser_thompson,
    "mabwiser_lin_ucb": mabwiser_lin_ucb,
}
POLICIES: dict[str, PolicyFactory] = {"genco": GencoPolicy, "genco_half_life": genco_half_life, **PEERS}
