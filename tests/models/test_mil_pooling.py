"""The attention residual: zero until trained, zero at the average creative, blind to what is not shown."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genco.models.mil_pooling import AttentionResidual


def net_of(seed: int = 0, slots: int = 3, rank: int = 2, context: int = 1) -> AttentionResidual:
    torch.manual_seed(seed)
    net = AttentionResidual(slots, rank, context, width=8)
    torch.nn.init.normal_(net.out.weight)
    return net


def test_an_untrained_residual_changes_nothing() -> None:
    net = AttentionResidual(3, 2, 1)
    assert not net(torch.randn(4, 3, 2), torch.ones(4, 3, dtype=torch.bool), torch.randn(4, 1)).any()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1_000))
def test_what_is_not_shown_has_none_and_is_not_seen(seed: int) -> None:
    net, rng = net_of(seed), torch.Generator().manual_seed(seed)
    latents, context = torch.randn(6, 3, 2, generator=rng), torch.randn(6, 1, generator=rng)
    present = torch.rand(6, 3, generator=rng) < 0.6
    changed = torch.where(present[..., None], latents, torch.full_like(latents, 7.0))
    with torch.no_grad():
        a, b = net(latents, present, context), net(changed, present, context)
    torch.testing.assert_close(a, b)
    assert not a[~present].any()


def test_zero_at_the_average_creative() -> None:
    with torch.no_grad():
        assert not net_of()(torch.zeros(4, 3, 2), torch.ones(4, 3, dtype=torch.bool), torch.randn(4, 1)).any()


def test_one_slot_by_hand() -> None:
    """One slot: the pooling weight is 1, so the part is out . hidden minus its value at zero."""
    net = net_of(slots=1)
    latents, context = torch.tensor([[[0.5, -1.0]]]), torch.tensor([[0.3]])

    def value(z: torch.Tensor) -> torch.Tensor:
        tokens = torch.cat([net.context(context)[:, None], net.embed(z) + net.slot_embed], 1)
        query, key, content = net.query_key_value(tokens).chunk(3, -1)
        mixed = torch.softmax(query @ key.transpose(1, 2) / 8**0.5, -1) @ content
        return net.out(torch.relu(tokens + net.mix(mixed))[:, 1])

    with torch.no_grad():
        found = net(latents, torch.ones(1, 1, dtype=torch.bool), context)
        assert float(found) == pytest.approx(float(value(latents) - value(torch.zeros_like(latents))), abs=1e-6)


def test_elements_interact() -> None:
    """It carries what own effects cannot: f(a, b) - f(a, b') differs with a."""
    net, present = net_of(1), torch.ones(4, 3, dtype=torch.bool)
    a, b = torch.tensor([[1.0, 2.0], [-2.0, 1.0]]), torch.tensor([[3.0, 0.0], [0.0, -3.0]])
    rows = torch.stack([torch.stack([a[i], b[j], torch.zeros(2)]) for i in range(2) for j in range(2)])
    with torch.no_grad():
        value = net(rows, present, torch.zeros(4, 1)).sum(1)
    assert abs(float(value[0] - value[1] - value[2] + value[3])) > 1e-3
