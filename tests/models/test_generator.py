"""The pointer network: silent at the start, blind to padding, equivariant in the candidates."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genco.errors import ConfigError
from genco.models.generator import CombinationGenerator, GeneratorConfig, gather_chosen, gather_rows


def net_of(seed: int = 0, num_slots: int = 3, wild: float = 0.3) -> CombinationGenerator:
    torch.manual_seed(seed)
    net = CombinationGenerator(num_slots, 4, 2, GeneratorConfig(width=8, key_width=4))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(wild * torch.randn_like(parameter))
    return net


def test_an_untrained_pointer_says_nothing() -> None:
    """Before training the policy is what credit and foresight make it."""
    torch.manual_seed(0)
    net = CombinationGenerator(3, 4, 2, GeneratorConfig(width=8, key_width=4))
    code = net.encode(torch.randn(2, 3, 5, 4), torch.ones(2, 3, 5, dtype=torch.bool))
    state = net.initial_state(code.summary, torch.randn(2, 2))[:, None].expand(-1, 6, -1)
    assert not net.pointer(1, state, code.keys[:, 1], code.bias[:, 1]).any()
    assert net.foresight.tolist() == [1, 1, 1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 5), st.integers(0, 4))
def test_padding_changes_nothing(seed: int, size: int, padding: int) -> None:
    net = net_of(seed)
    features = torch.randn(2, 3, size, 4, generator=torch.Generator().manual_seed(seed))
    mask = torch.ones(2, 3, size, dtype=torch.bool)
    wide = torch.cat([features, torch.full((2, 3, padding, 4), 9.0)], 2)
    wide_mask = torch.cat([mask, torch.zeros(2, 3, padding, dtype=torch.bool)], 2)
    with torch.no_grad():
        a, b = net.encode(features, mask), net.encode(wide, wide_mask)
    torch.testing.assert_close(a.summary, b.summary)
    for name in ("keys", "bias", "chosen"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name)[:, :, :size])


def test_candidates_in_another_order_are_encoded_in_that_order() -> None:
    net, features = net_of(), torch.randn(1, 3, 6, 4, generator=torch.Generator().manual_seed(0))
    order, mask = torch.tensor([3, 1, 5, 0, 2, 4]), torch.ones(1, 3, 6, dtype=torch.bool)
    with torch.no_grad():
        a, b = net.encode(features, mask), net.encode(features[:, :, order], mask)
    torch.testing.assert_close(a.summary, b.summary)
    torch.testing.assert_close(a.keys[:, :, order], b.keys)


def test_pointer_by_hand() -> None:
    """query . key + bias, query = query_out(relu(query(state) + state_slot))."""
    net, state = net_of(), torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(1))
    keys, bias = torch.randn(2, 5, 4), torch.randn(2, 5)
    with torch.no_grad():
        found = net.pointer(2, state, keys, bias)
        query = net.query_out(torch.relu(net.query(state[1, 2]) + net.state_slot[2]))
    assert float(found[1, 2, 3]) == pytest.approx(float(query @ keys[1, 3] + bias[1, 3]), abs=1e-5)


def test_gathering() -> None:
    table = torch.arange(24.0).view(2, 4, 3)
    assert gather_chosen(table, torch.tensor([[3], [0]])).tolist() == [[[9, 10, 11]], [[12, 13, 14]]]
    many = gather_rows(table, torch.tensor([[[0, 1]], [[3, 3]]]))
    assert many.shape == (2, 1, 2, 3) and many[1, 0, 0].tolist() == [21, 22, 23]


@pytest.mark.filterwarnings("error")
def test_one_slot_one_candidate_no_context() -> None:
    net = CombinationGenerator(1, 1, 0, GeneratorConfig(width=4, key_width=2))
    code = net.encode(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool))
    state = net.initial_state(code.summary, torch.zeros(1, 0))[:, None]
    assert torch.isfinite(net.pointer(0, state, code.keys[:, 0], code.bias[:, 0])).all()


@pytest.mark.parametrize("name", ["width", "key_width", "max_latents", "temperature"])
def test_sizes_must_be_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"`{name}` should be positive. Found `{name} = 0"):
        GeneratorConfig(**{name: 0})
