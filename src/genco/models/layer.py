"""A linear layer that may be without inputs."""

from __future__ import annotations

import warnings

from torch import nn


def linear_layer(num_inputs: int, num_outputs: int) -> nn.Linear:
    """`nn.Linear`, without torch's warning where a log has no context, or elements no content."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        return nn.Linear(num_inputs, num_outputs)
