"""Draws a world from a seed, as the scenario says. Every quantity has its own stream, so one seed gives like worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.rng import stream
from genco.simulator.scenarios import Scenario
from genco.simulator.world import Singles, World
from genco.types import Floats

STYLE_DIM, CONTENT_DIM, HIDDEN_DIM = 8, 16, 32
CONTENT_NOISE, HINT_NOISE = 0.3, 0.3
APPEAL_MEAN, APPEAL_SD = -3.5, 0.7
NUM_EPOCHS = 40


@dataclass(frozen=True)
class DrawnWorld:
    """A world with what is observable of it.

    world: the truth · content: [element, 16] the observed numbers, NaN rows where an element has none · hints:
    product features by name, [product] each.
    """

    world: World
    content: Singles
    hints: dict[str, Floats]


def draw_world(scenario: Scenario, seed: int, style: Singles | None = None, told: Singles | None = None) -> DrawnWorld:
    """Draw the world of `scenario` from `seed`.

    Elements stand product by product, component by component. `style` [element, 8] replaces the drawn styles; `told`
    [element, 8] gives the style that an element's text tells, NaN rows for elements that show numbers instead.
    """
    appeal = APPEAL_MEAN + APPEAL_SD * stream(seed, "appeal").standard_normal(scenario.num_products)
    component = element_components(scenario)
    component_taste = stream(seed, "component taste").standard_normal((len(scenario.components), STYLE_DIM))
    if style is None:
        style = stream(seed, "style").standard_normal((scenario.num_elements, STYLE_DIM), dtype=np.float32)
    if scenario.confounding:
        style = style + _confounding_shift(scenario, appeal, component, component_taste)
    mixing = stream(seed, "mixing").standard_normal((STYLE_DIM, CONTENT_DIM)) / np.sqrt(STYLE_DIM)
    noise = stream(seed, "content noise").standard_normal((scenario.num_elements, CONTENT_DIM), dtype=np.float32)
    content = (style @ mixing.astype(np.float32) + np.float32(CONTENT_NOISE) * noise).astype(np.float32)
    content_style = inferred_style(content, mixing)
    if told is not None:
        has_text = ~np.isnan(told[:, 0])
        content_style = np.where(has_text[:, None], told, content_style)
        content = np.where(has_text[:, None], np.float32(np.nan), content)
    cold_products, cold_elements = _never_logged(scenario, seed)
    num_slots, num_components = len(scenario.slot_component), len(scenario.components)
    world = World(
        slot_names=scenario.slot_names,
        slot_component=scenario.slot_component,
        context_values=tuple(f"s{segment}" for segment in range(scenario.num_segments)),
        strength=scenario.strength,
        higher_order=scenario.higher_order,
        appeal=appeal,
        style=style.astype(np.float32),
        content_style=content_style.astype(np.float32),
        idio=stream(seed, "idio").standard_normal(scenario.num_elements, dtype=np.float32),
        element_component=component,
        tastes=_tastes(scenario, seed),
        component_taste=component_taste,
        bilinear=stream(seed, "bilinear").standard_normal((num_components, num_components, STYLE_DIM, STYLE_DIM)),
        hidden=stream(seed, "hidden").standard_normal((num_slots * STYLE_DIM, HIDDEN_DIM))
        / np.sqrt(num_slots * STYLE_DIM),
        readout=stream(seed, "readout").standard_normal(HIDDEN_DIM),
        never_logged_products=cold_products,
        never_logged_elements=cold_elements,
        rotation_every=scenario.rotation_every,
        info={"scenario": scenario.name, "seed": seed},
    )
    return DrawnWorld(world, content, _hints(appeal, seed))


def inferred_style(content: Singles, mixing: Floats) -> Singles:
    """Posterior mean of the style given content [element, 16]: x W' (W W' + 0.09 I)^-1.

    Equal to x (W'W + 0.09 I)^-1 W'.
    """
    gram = mixing @ mixing.T + CONTENT_NOISE**2 * np.eye(len(mixing))
    return np.asarray(content @ np.linalg.solve(gram, mixing).T.astype(np.float32))


def element_components(scenario: Scenario) -> NDArray[np.int8]:
    """Component index of every element."""
    counts = [component.num_candidates for component in scenario.components]
    return np.tile(np.repeat(np.arange(len(counts), dtype=np.int8), counts), scenario.num_products)


def element_products(scenario: Scenario) -> NDArray[np.int32]:
    """Product row of every element."""
    return np.repeat(np.arange(scenario.num_products, dtype=np.int32), scenario.elements_per_product)


def component_starts(scenario: Scenario) -> NDArray[np.int32]:
    """Where each component starts within a product's elements: [component]."""
    counts = [component.num_candidates for component in scenario.components]
    return np.asarray(np.concatenate([[0], np.cumsum(counts)[:-1]]), dtype=np.int32)


def slot_pools(scenario: Scenario, product: int) -> tuple[NDArray[np.int32], ...]:
    """Element rows of every slot's component for the product, whatever their status."""
    first = product * scenario.elements_per_product
    starts = component_starts(scenario)
    counts = [component.num_candidates for component in scenario.components]
    return tuple(
        np.arange(first + starts[c], first + starts[c] + counts[c], dtype=np.int32) for c in scenario.slot_component
    )


def kept_elements(scenario: Scenario, rng: np.random.Generator, per_component: Sequence[int]) -> NDArray[np.bool_]:
    """A random choice of `per_component` elements of every product and component, as a mask [element]."""
    parts = []
    for component, num_kept in zip(scenario.components, per_component, strict=True):
        order = rng.random((scenario.num_products, component.num_candidates)).argsort(axis=1)
        parts.append(order < num_kept)
    return np.concatenate(parts, axis=1).ravel()


def rotate(tastes: Floats, degrees: float, rng: np.random.Generator) -> Floats:
    """Turn every row of `tastes` [segment, dim] by `degrees` in a random plane that holds it; its length stays."""
    length = np.linalg.norm(tastes, axis=1, keepdims=True)
    along = tastes / length
    across = rng.standard_normal(tastes.shape)
    across -= (across * along).sum(axis=1, keepdims=True) * along
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.radians(degrees)
    return np.asarray(length * (np.cos(angle) * along + np.sin(angle) * across))


def _tastes(scenario: Scenario, seed: int) -> Floats:
    epochs = [stream(seed, "tastes").standard_normal((scenario.num_segments, STYLE_DIM))]
    for epoch in range(1, NUM_EPOCHS if scenario.rotation_every else 1):
        epochs.append(rotate(epochs[-1], scenario.rotation_degrees, stream(seed, "rotation", epoch)))
    return np.stack(epochs)


def _confounding_shift(
    scenario: Scenario, appeal: Floats, component: NDArray[np.int8], component_taste: Floats
) -> Singles:
    direction = component_taste / np.linalg.norm(component_taste, axis=1, keepdims=True)
    standard_appeal = ((appeal - APPEAL_MEAN) / APPEAL_SD)[element_products(scenario)]
    return np.asarray(scenario.confounding * standard_appeal[:, None] * direction[component], dtype=np.float32)


def _hints(appeal: Floats, seed: int) -> dict[str, Floats]:
    rng = stream(seed, "product features")
    hints = {"appeal_hint": appeal + HINT_NOISE * rng.standard_normal(len(appeal))}
    return hints | {f"noise_{i}": rng.standard_normal(len(appeal)) for i in (1, 2, 3)}


def _never_logged(scenario: Scenario, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which products and elements the log never shows; one element of every component of a logged product stays."""
    products = np.zeros(scenario.num_products, dtype=bool)
    num_cold = round(scenario.never_logged_products * scenario.num_products)
    products[stream(seed, "never logged products").permutation(scenario.num_products)[:num_cold]] = True
    elements = products[element_products(scenario)]
    rng = stream(seed, "never logged elements")
    free = ~elements & ~kept_elements(scenario, rng, [component.num_slots for component in scenario.components])
    num_cold = round(scenario.never_logged_elements * int((~elements).sum()))
    elements[rng.permutation(np.flatnonzero(free))[:num_cold]] = True
    return products, elements
