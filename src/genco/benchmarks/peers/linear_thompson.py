"""Linear Thompson sampling over one-hot elements and item fields.

Source: Agrawal and Goyal, Thompson Sampling for Contextual Bandits with Linear Payoffs, ICML 2013, Algorithm 1: ridge
1, a draw from N(mean, v^2 B^-1) for every view. Departures: the paper's v grows with dimension and log time, for the
proof; v^2 is 0.005 here, that of the AES code's samplers. Uniform until the first update.
"""

from __future__ import annotations

import numpy as np

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.features import element_features, field_features
from genco.benchmarks.peers.linear_sampler import LinearSampler
from genco.rng import stream


def linear_thompson(arms: ArmTable, seed: int, variance: float = 0.005) -> LinearSampler:
    """Effects of elements and item fields, drawn for every view; variance: v^2."""
    features = np.hstack([element_features(arms), field_features(arms)])
    return LinearSampler(arms, features, stream(seed, "linear thompson"), ridge=1.0, variance=variance)
