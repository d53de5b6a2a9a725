"""Builds the logging policy of a scenario from its world."""

from __future__ import annotations

import numpy as np

from genco.data.catalogue import EMPTY
from genco.rng import stream
from genco.simulator.draw import component_starts
from genco.simulator.jd_card import HIGHLIGHT, TITLE, Cards
from genco.simulator.logging_policies import (
    TEMPERATURE,
    LoggingPolicy,
    SequentialSoftmax,
    SoftmaxSlots,
    UniformSlots,
    mixed_softmax,
    preferences,
)
from genco.simulator.scenarios import SEQUENTIAL, SOFTMAX, Scenario
from genco.simulator.world import Rows, World
from genco.types import Floats


def logging_policy(scenario: Scenario, world: World, seed: int, cards: Cards | None = None) -> LoggingPolicy:
    """The policy that collects the scenario's log. It never shows what the world keeps out of the log."""
    rows = slot_rows(scenario)
    if scenario.logging == SOFTMAX:
        weights = _weights(scenario, world, seed, rows)
        return SoftmaxSlots(tuple(rows), tuple(mixed_softmax(weight.T).T for weight in weights))
    if scenario.logging == SEQUENTIAL and cards is not None:
        weights = _weights(scenario, world, seed, rows)
        approved = np.append(cards.approved, True)  # the empty element, row -1, is always there
        names = [component.name for component in scenario.components]
        return SequentialSoftmax(
            rows=tuple(rows),
            weight=tuple(weight * approved[pool] for weight, pool in zip(weights, rows, strict=True)),
            slot_component=scenario.slot_component,
            goes_with={(names.index(TITLE), names.index(HIGHLIGHT)): cards.goes_with},
        )
    return UniformSlots.over(~world.never_logged_elements, rows)


def slot_rows(scenario: Scenario) -> list[Rows]:
    """Element rows of each slot's component [product, candidate], with -1 (empty) last where it may stay empty."""
    first = np.arange(scenario.num_products, dtype=np.int32)[:, None] * scenario.elements_per_product
    starts = component_starts(scenario)
    pools = []
    for c in scenario.slot_component:
        component = scenario.components[c]
        pool = first + starts[c] + np.arange(component.num_candidates, dtype=np.int32)
        pools.append(pool if component.required else np.pad(pool, ((0, 0), (0, 1)), constant_values=EMPTY))
    return pools


def _weights(scenario: Scenario, world: World, seed: int, rows: list[Rows]) -> list[Floats]:
    """exp(preference / temperature) by slot [product, candidate]; slots of one component share their preferences."""
    own, by_component = world.own_effects(), {}
    for component, pool in zip(scenario.slot_component, rows, strict=True):
        if component not in by_component:
            noise = stream(seed, "logging noise", component).standard_normal(pool.shape)
            by_component[component] = np.exp(preferences(own, pool, noise) / TEMPERATURE)
    return [by_component[component] for component in scenario.slot_component]
