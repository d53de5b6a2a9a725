"""AES: Thompson sampling on effects of elements and of tree edges, with 10% uniform views.

Source: Chen, Ge, Jiang, Zhang, Lian, Zheng, Efficient Optimal Selection for Composited Advertising Creatives with Tree
Structure, AAAI 2021, the method proposed there; ridge 0.1, variance 0.005 and 10% uniform views as in its published
code. A draw for every view. Uniform until the first update.
Departures: the arm with the highest score is found among the listed arms, not by dynamic programming over the tree;
both give the same arm where the tree's legal pairs allow exactly the listed ones.
"""

from __future__ import annotations

import numpy as np

from genco.benchmarks.online.arm_table import ArmTable
from genco.benchmarks.peers.features import element_features, tree_features
from genco.benchmarks.peers.linear_sampler import LinearSampler
from genco.rng import stream


def aes(arms: ArmTable, seed: int) -> LinearSampler:
    """Effects of elements and tree edges, drawn for every view, and a tenth of the views uniform."""
    features = np.hstack([element_features(arms), tree_features(arms)])
    return LinearSampler(arms, features, stream(seed, "aes"), ridge=0.1, variance=0.005, explored=0.1)
