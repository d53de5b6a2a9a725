"""Least squares of clicks on features of arms, from counts: what LinUCB and linear Thompson sampling share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.peers.counts import ArmCounts

Floats = NDArray[np.float64]
_NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class LinearFit:
    """mean: coefficients [feature] · root: [feature, direction], root @ root.T is the inverse of the design matrix."""

    mean: Floats
    root: Floats


def fit_linear(features: Floats, counts: ArmCounts, ridge: float) -> LinearFit:
    """Fit X'NX + ridge I, N the views of the arms; at ridge 0 the pseudo-inverse. features: X [arm, feature]."""
    design = features.T @ (features * counts.views[:, None]) + ridge * np.eye(features.shape[1])
    values, vectors = np.linalg.eigh(design)
    kept = values > values[-1] * _NEGLIGIBLE
    root = vectors[:, kept] / np.sqrt(values[kept])
    return LinearFit(root @ (root.T @ (features.T @ counts.clicks)), root)
