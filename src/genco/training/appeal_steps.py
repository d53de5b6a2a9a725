"""Steps of what is blind to the creative: how expected rewards move between passes, and weights of contexts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
LARGEST_CHANGE = 2.0


def moving_rewards(reward: Values, residual: Values, curvature: Values) -> Callable[[Values], tuple[Values, Values]]:
    """From a change of logits [group] since the last pass to residuals and curvatures [group] after it.

    reward: [group] · residual, curvature: [group] of the pass. The expected rewards of a group move along one logistic
    curve of its curvature: as exp(change) where rewards are rare.
    """
    curvature = np.maximum(curvature, 1e-9)
    expected = np.maximum(reward - residual, curvature)
    odds = expected / curvature - 1

    def moved_by(change: Values) -> tuple[Values, Values]:
        factor = np.exp(np.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE))
        later = expected * factor * (1 + odds) / (1 + odds * factor)
        return reward - later, later / (1 + odds * factor)

    return moved_by


def context_step(
    contexts: NDArray[np.float32], group_context: NDArray[np.int32], residual: Values, weight: Values
) -> Values:
    """Newton step of context weights [num_context] under a unit prior, each within 1.

    contexts: [context, num_context] · group_context: [group] · residual, weight: [group].
    """
    by_context = [np.bincount(group_context, weights=v, minlength=len(contexts)) for v in (residual, weight)]
    wide = contexts.astype(np.float64)
    information = wide.T @ (by_context[1][:, None] * wide) + np.eye(wide.shape[1])
    return np.clip(np.linalg.solve(information, wide.T @ by_context[0]), -1, 1)
