"""Pair effects are those of the attribution, each pair stands once, and forbidden pairs have none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.kits.small_models import small_catalogue, small_context, small_generator, small_model

from genco.data.rules import Forbid
from genco.evaluation.interactions import PairEffect, heat_map, pair_effects
from genco.policies.generative import GenerativePolicy, Request

FORBIDDEN = ("p0.title0", "p0.image1")


def prepared(seed: int, product: int = 0, **changes: object) -> tuple[Any, Request]:
    """What stands for an optimizer here, and a request."""
    catalogue = small_catalogue(rules=(Forbid((FORBIDDEN,), None),))
    bound = small_model(seed, catalogue, **changes)  # type: ignore[arg-type]
    policy = GenerativePolicy(bound, small_generator(bound)[1])
    return SimpleNamespace(catalogue=catalogue, policy=policy), policy.request(product, small_context())


def names(pair: PairEffect) -> tuple[str | None, str | None]:
    return pair.first.element_id, pair.second.element_id


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_effects_are_the_interactions_of_a_card(seed: int) -> None:
    optimizer, request = prepared(seed)
    effects = {names(pair): pair.effect for pair in pair_effects(optimizer, request, num=10_000)}
    for positions in request.space.sample_uniform(np.random.default_rng(seed), 20):
        ids = optimizer.catalogue.combination_ids(optimizer.policy.rows(request.space, positions[None])[0])
        if None in ids or len(set(ids)) < len(ids):
            continue
        pairs = [effects.get((ids[i], ids[j])) or effects[ids[j], ids[i]] for j in range(len(ids)) for i in range(j)]
        interaction = optimizer.policy.attribution(request, positions[None]).interaction.sum()
        assert sum(pairs) == pytest.approx(interaction, abs=1e-4)


def test_each_pair_once_and_no_element_with_itself() -> None:
    optimizer, request = prepared(0)
    found = pair_effects(optimizer, request, num=10_000)
    ids = [names(pair) if pair.in_order else frozenset(names(pair)) for pair in found]
    assert len(set(ids)) == len(ids) and all(len(set(pair)) == 2 for pair in ids)
    assert any(pair.in_order for pair in found) and any(not pair.in_order for pair in found)
    assert frozenset(FORBIDDEN) not in ids
    assert [abs(pair.effect) for pair in found] == sorted((abs(pair.effect) for pair in found), reverse=True)
    assert all(pair.low < pair.effect < pair.high for pair in found)


def test_strongest_of_either_sign() -> None:
    optimizer, request = prepared(0)
    everything, few = pair_effects(optimizer, request, num=10_000), pair_effects(optimizer, request, num=2)
    assert [pair.effect for pair in few if pair.effect > 0] == [p.effect for p in everything if p.effect > 0][:2]
    assert [pair.effect for pair in few if pair.effect < 0] == [p.effect for p in everything if p.effect < 0][:2]


@pytest.mark.parametrize("seed", range(6))
def test_heat_map_of_two_components(seed: int) -> None:
    optimizer, request = prepared(seed)
    counts = np.random.default_rng(seed).integers(0, 9, (5, optimizer.catalogue.num_elements + 1)).astype(float)
    found = heat_map(optimizer, request, counts)
    assert found is not None and found.rows[0].component != found.columns[0].component
    assert len(found.effects) == len(found.rows) and {len(row) for row in found.effects} == {len(found.columns)}
    assert None not in [element.element_id for element in (*found.rows, *found.columns)]
    for row, effects in zip(found.rows, found.effects, strict=True):
        for column, effect in zip(found.columns, effects, strict=True):
            assert (effect is None) == ({row.element_id, column.element_id} == set(FORBIDDEN))


def test_no_pairs_in_the_model() -> None:
    optimizer, request = prepared(0, pair=False)
    assert pair_effects(optimizer, request) == [] or all(pair.effect == 0 for pair in pair_effects(optimizer, request))
    assert heat_map(optimizer, request, np.zeros((5, optimizer.catalogue.num_elements + 1))) is None
