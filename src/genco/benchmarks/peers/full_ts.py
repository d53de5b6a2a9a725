"""Full_TS: Thompson sampling on effects of elements and of all pairs of elements.

Source: Chen, Ge, Jiang, Zhang, Lian, Zheng, Efficient Optimal Selection for Composited Advertising Creatives with Tree
Structure, AAAI 2021, a baseline there; least squares by the pseudo-inverse and variance 0.005 as in its published code.
A draw for every view. Uniform until the first update.
"""

from __future__ import annotations

import numpy as np

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.features import all_pairs, element_features, pair_features
from genco.benchmarks.peers.linear_sampler import LinearSampler
from genco.rng import stream


def full_ts(arms: ArmTable, seed: int) -> LinearSampler:
    """Effects of elements and all pairs, drawn for every view."""
    features = np.hstack([element_features(arms), pair_features(arms, all_pairs(arms))])
    return LinearSampler(arms, features, stream(seed, "full ts"), ridge=0.0, variance=0.005)
