"""The attention residual: numpy's forward pass is torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genco.models.mil_pooling import AttentionResidual
from genco.runtime.residual import AttentionResidualArrays


def pair_of(seed: int, slots: int, rank: int, context: int) -> tuple[AttentionResidual, AttentionResidualArrays]:
    torch.manual_seed(seed)
    net = AttentionResidual(slots, rank, context, width=8)
    torch.nn.init.normal_(net.out.weight)
    return net, AttentionResidualArrays({name: p.detach().numpy() for name, p in net.named_parameters()})


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))
def test_numpy_is_torch(seed: int, slots: int, rank: int, width: int) -> None:
    net, arrays = pair_of(seed, slots, rank, width)
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((7, slots, rank)).astype(np.float32)
    present = rng.random((7, slots)) < 0.7
    present[0] = False
    context = rng.standard_normal((7, width)).astype(np.float32)
    with torch.no_grad():
        wanted = net(torch.from_numpy(latents), torch.from_numpy(present), torch.from_numpy(context)).numpy()
    found = arrays(latents, present, context)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert not found[~present].any()


def test_wider_latents_are_cut_to_what_was_trained() -> None:
    _, arrays = pair_of(0, 3, 2, 1)
    latents = np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32)
    everything, context = np.ones((4, 3), bool), np.ones((4, 1), np.float32)
    np.testing.assert_array_equal(arrays(latents, everything, context), arrays(latents[..., :2], everything, context))


def test_the_average_creative_has_none() -> None:
    _, arrays = pair_of(1, 3, 2, 1)
    assert not arrays(np.zeros((4, 3, 2), np.float32), np.ones((4, 3), bool), np.ones((4, 1), np.float32)).any()


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch: int) -> None:
    _, arrays = pair_of(1, 2, 2, 1)
    found = arrays(np.ones((batch, 2, 2), np.float32), np.ones((batch, 2), bool), np.ones((batch, 1), np.float32))
    assert found.shape == (batch, 2) and np.isfinite(found).all()
