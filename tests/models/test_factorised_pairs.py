"""Pair effects with learned directions: a value by hand, what is read as it is, and the penalty."""

from __future__ import annotations

import pytest
import torch

from genco.models.factorised_pairs import FactorisedPairs
from genco.runtime.terms import TermLayout


def layout(**changes: object) -> TermLayout:
    """Two text slots of one component (3 latents, pairs read 1) and a slot of numbers (1 latent)."""
    values: dict[str, object] = {
        "slot_component": (0, 0, 1),
        "component_names": ("text", "number"),
        "component_kind": (0, 1),
        "own_rank": (3, 1),
        "pair_rank": (1, 1),
        "optional": (False, False),
        "num_context": 1,
        **changes,
    }
    return TermLayout(**values)  # type: ignore[arg-type]


def test_value_by_hand() -> None:
    """Read are 2 and 3 of the texts and 5 of the number; the context is 2."""
    model = FactorisedPairs(layout(), torch.tensor([-1.0, 0.5]), 300.0)
    with torch.no_grad():
        model.directions["0"].copy_(torch.tensor([[0.0], [0.0], [1.0]]))
        model.pairs["0|0"].fill_(10.0)
        model.pairs["0|1"].fill_(100.0)
        model.own["0"].copy_(torch.tensor([7.0, 0.0, 0.0]))
        model.taste["0"].fill_(2.0)
    latents = torch.tensor([[[2.0, 0.0, 2.0], [0.0, 0.0, 3.0], [5.0, 9.0, 9.0]]])
    alone, pair = model(latents, torch.tensor([1]), torch.tensor([[2.0]]))
    assert pair.item() == pytest.approx(2 * 3 * 10 + (2 + 3) * 5 * 100)
    assert alone.item() == pytest.approx(0.5 + 7 * 2 + 2 * 2 * (2 + 3))


def test_only_content_of_which_pairs_read_a_part_has_directions() -> None:
    model = FactorisedPairs(layout(), torch.zeros(1), 300.0)
    assert list(model.directions) == ["0"] and model.directions["0"].shape == (3, 1)
    assert not FactorisedPairs(layout(pair_rank=(3, 1)), torch.zeros(1), 300.0).directions
    assert not FactorisedPairs(layout(pair_rank=(0, 1)), torch.zeros(1), 300.0).directions


def test_penalty_is_zero_without_weights_and_grows_with_their_squares() -> None:
    model = FactorisedPairs(layout(), torch.zeros(2), 300.0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        assert float(model.penalty()) == 0.0
        model.level.fill_(2.0)
    assert model.penalty().item() == pytest.approx(0.5 * 0.25 * 2 * 4.0)
