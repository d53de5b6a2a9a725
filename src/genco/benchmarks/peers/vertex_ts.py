"""Vertex_TS: Thompson sampling on effects of elements alone.

Source: Chen, Ge, Jiang, Zhang, Lian, Zheng, Efficient Optimal Selection for Composited Advertising Creatives with Tree
Structure, AAAI 2021, a baseline there; ridge 0.01 and variance 0.005 as in its published code. A draw for every view.
Uniform until the first update.
"""

from __future__ import annotations

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.features import element_features
from genco.benchmarks.peers.linear_sampler import LinearSampler
from genco.rng import stream


def vertex_ts(arms: ArmTable, seed: int) -> LinearSampler:
    """Effects of elements, drawn for every view."""
    features = element_features(arms)
    return LinearSampler(arms, features, stream(seed, "vertex ts"), ridge=0.01, variance=0.005)
