"""Draws a log from a world: catalogue frames, the truth, and impressions in chunks of constant size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import APPROVED, Slot
from genco.data.rules import Rule
from genco.errors import ConfigError
from genco.rng import stream
from genco.simulator.draw import (
    CONTENT_DIM,
    DrawnWorld,
    component_starts,
    draw_world,
    element_products,
)
from genco.simulator.logging_policies import (
    TEMPERATURE,
    LoggingPolicy,
    SoftmaxSlots,
    UniformSlots,
    mixed_softmax,
    preferences,
)
from genco.simulator.scenarios import SOFTMAX, Scenario, scenario_named
from genco.simulator.world import Rows, World, sigmoid

CHUNK_ROWS = 131_072
FIRST_MICROSECOND = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC
LOG_MICROSECONDS = 28 * 24 * 3600 * 1_000_000
_JITTER = 0.9


@dataclass(frozen=True, eq=False)
class Simulation:
    """A world, its catalogue and the log about to be drawn. Equal arguments give equal frames.

    `products` and `elements` are catalogue frames; `impressions()` starts the log anew each time it is called.
    """

    scenario: Scenario
    seed: int
    num_impressions: int
    world: World
    policy: LoggingPolicy
    slots: tuple[Slot, ...]
    rules: tuple[Rule, ...]
    products: pl.DataFrame
    elements: pl.DataFrame
    drawn: DrawnWorld

    @property
    def context(self) -> tuple[str, ...]:
        """Names of the context columns."""
        return ("segment",)

    @property
    def truth_arrays(self) -> dict[str, NDArray[Any]]:
        return self.world.to_arrays()

    @property
    def truth_info(self) -> dict[str, Any]:
        return self.world.truth_info()

    def assets(self) -> Iterator[tuple[str, bytes]]:
        """Files of the catalogue as (relative path, content)."""
        yield from ()

    def impressions(self) -> Iterator[pl.DataFrame]:
        """The log in time order, at most `CHUNK_ROWS` rows at a time."""
        for start in range(0, self.num_impressions, CHUNK_ROWS):
            yield self._chunk(start, min(CHUNK_ROWS, self.num_impressions - start))

    def _chunk(self, start: int, rows: int) -> pl.DataFrame:
        rng = stream(self.seed, "log", self.scenario.name, start // CHUNK_ROWS)
        product = self._logged_products[rng.integers(len(self._logged_products), size=rows)]
        segment = rng.integers(self.scenario.num_segments, size=rows, dtype=np.int32)
        combination, propensity = self.policy.choose(rng, product)
        clicks = rng.random(rows) < self._click_probability(start, product, segment, combination)
        if self.scenario.lost_clicks:
            clicks &= rng.random(rows) >= self.scenario.lost_clicks
        index = np.arange(start, start + rows)
        shown = {
            slot.name: self._element_ids.gather(_index(combination[:, c], len(self._element_ids)))
            for c, slot in enumerate(self.slots)
        }
        return pl.DataFrame(
            {
                "impression_id": "i" + pl.Series(index).cast(pl.String).str.zfill(9),
                "timestamp": pl.Series(self._timestamps(index, rng)).cast(pl.Datetime("us")),
                "product_id": self.products["product_id"].gather(pl.Series(product)),
                "segment": self._segment_names.gather(pl.Series(segment)),
                **shown,
                "num_impressions": np.ones(rows, dtype=np.int64),
                "num_clicks": clicks.astype(np.int64),
                "propensity": propensity,
                "policy": pl.repeat(self.policy.name, rows, eager=True),
            }
        )

    def _click_probability(self, start: int, product: Rows, segment: Rows, combination: Rows) -> NDArray[np.float64]:
        """True click probability of rows `start`, `start + 1`, ..., each at its moment where tastes drift."""
        every = self.world.rotation_every
        if not every:
            return self.world.click_probability(product, segment, combination)
        probability = np.empty(len(product))
        epoch = (start + np.arange(len(product))) // every
        for current in np.unique(epoch):
            now = epoch == current
            world = self.world.at(int(current) * every)
            probability[now] = sigmoid(world.logit(product[now], segment[now], combination[now]))
        return probability

    def _timestamps(self, index: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Microseconds since 1970 UTC: 28 days cut into one interval per impression, one moment in each."""
        interval = LOG_MICROSECONDS / max(self.num_impressions, self.scenario.horizon)
        moments = (index + _JITTER * rng.random(len(index))) * interval
        return FIRST_MICROSECOND + moments.astype(np.int64)

    @cached_property
    def _logged_products(self) -> Rows:
        return np.flatnonzero(~self.world.never_logged_products).astype(np.int32)

    @cached_property
    def _element_ids(self) -> pl.Series:
        """Element ids, and null at the end for the empty element."""
        return self.elements["element_id"].extend_constant(None, 1)

    @cached_property
    def _segment_names(self) -> pl.Series:
        return pl.Series(self.world.context_values, dtype=pl.String)


def simulate(scenario: str | Scenario, num_impressions: int | None = None, seed: int = 0) -> Simulation:
    """Draw the world of a scenario and prepare its log of `num_impressions` (the scenario's own number if None).

    Raises `ConfigError` for an unknown scenario, a count below 1 or a negative seed.
    """
    if isinstance(scenario, str):
        scenario = scenario_named(scenario)
    num_impressions = scenario.num_impressions if num_impressions is None else num_impressions
    if num_impressions < 1:
        raise ConfigError(f"Parameter `num_impressions` must be at least 1. Found {num_impressions}.")
    if seed < 0:
        raise ConfigError(f"Parameter `seed` must not be negative. Found {seed}.")
    drawn = draw_world(scenario, seed)
    product_ids = [f"p{row:05d}" for row in range(scenario.num_products)]
    return Simulation(
        scenario=scenario,
        seed=seed,
        num_impressions=num_impressions,
        world=drawn.world,
        policy=_logging_policy(scenario, drawn.world, seed),
        slots=tuple(
            Slot(name, scenario.components[component].name, scenario.components[component].required)
            for name, component in zip(scenario.slot_names, scenario.slot_component, strict=True)
        ),
        rules=(),
        products=pl.DataFrame({"product_id": product_ids, **drawn.hints}),
        elements=_elements(scenario, drawn, product_ids),
        drawn=drawn,
    )


def _elements(scenario: Scenario, drawn: DrawnWorld, product_ids: list[str]) -> pl.DataFrame:
    num_elements = scenario.num_elements
    names = pl.Series([component.name for component in scenario.components])
    return pl.DataFrame(
        {
            "element_id": [f"e{row:07d}" for row in range(num_elements)],
            "product_id": pl.Series(product_ids).gather(pl.Series(element_products(scenario))),
            "component": names.gather(pl.Series(drawn.world.element_component.astype(np.int32))),
            "text": pl.Series([None], dtype=pl.String).new_from_index(0, num_elements),
            "image_uri": pl.Series([None], dtype=pl.String).new_from_index(0, num_elements),
            "status": pl.repeat(APPROVED, num_elements, eager=True),
            **{f"x{i}": drawn.content[:, i] for i in range(CONTENT_DIM)},
        }
    )


def _slot_rows(scenario: Scenario) -> list[Rows]:
    """Element rows of each slot's component: [product, candidate]."""
    first = np.arange(scenario.num_products, dtype=np.int32)[:, None] * scenario.elements_per_product
    starts = component_starts(scenario)
    return [
        first + starts[c] + np.arange(scenario.components[c].num_candidates, dtype=np.int32)
        for c in scenario.slot_component
    ]


def _logging_policy(scenario: Scenario, world: World, seed: int) -> LoggingPolicy:
    rows = _slot_rows(scenario)
    if scenario.logging == SOFTMAX:
        rng, own = stream(seed, "logging noise"), world.own_effects()
        beliefs = [preferences(own, pool, rng.standard_normal(pool.shape)) for pool in rows]
        return SoftmaxSlots(tuple(rows), tuple(mixed_softmax(np.exp(g / TEMPERATURE)) for g in beliefs))
    return UniformSlots.over(~world.never_logged_elements, rows)


def _index(rows: Rows, num_ids: int) -> pl.Series:
    """Rows as indices into ids that end with null for the empty element."""
    return pl.Series(np.where(rows < 0, num_ids - 1, rows))
