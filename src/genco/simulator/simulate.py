"""Draws a log from a world: catalogue frames, the truth, and impressions in chunks of constant size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import APPROVED, EMPTY, Slot
from genco.data.rules import Rule
from genco.errors import ConfigError
from genco.rng import stream
from genco.simulator.collection import logging_policy
from genco.simulator.draw import CONTENT_DIM, DrawnWorld, draw_world, element_products, slot_pools
from genco.simulator.jd_card import Cards, draw_cards
from genco.simulator.logging_policies import LoggingPolicy
from genco.simulator.scenarios import Scenario, scenario_named
from genco.simulator.world import Rows, World, sigmoid

CHUNK_ROWS = 131_072
FIRST_MICROSECOND = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC
LOG_MICROSECONDS = 28 * 24 * 3600 * 1_000_000
_JITTER = 0.9
_BLOCK_ROWS = 8_192  # what the processor's cache holds


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
    cards: Cards | None = None

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
        if self.cards is not None:
            yield from self.cards.assets()

    def candidates(self, product: int) -> tuple[Rows, ...]:
        """Approved element rows of every slot for the product, with -1 (empty) last where the slot may stay empty."""
        pools = slot_pools(self.scenario, product)
        if self.cards is not None:
            pools = tuple(pool[self.cards.approved[pool]] for pool in pools)
        empty = np.array([EMPTY], dtype=np.int32)
        return tuple(
            pool if slot.required else np.concatenate([pool, empty])
            for slot, pool in zip(self.slots, pools, strict=True)
        )

    def is_legal(self, product: Rows, combination: Rows) -> NDArray[np.bool_]:
        """Whether element rows [batch, slot] are of the product and slot, approved, and break no rule: [batch]."""
        legal = np.ones(len(product), dtype=bool)
        per_product = self.scenario.elements_per_product
        for slot, component in enumerate(self.scenario.slot_component):
            rows = combination[:, slot]
            empty = rows == EMPTY
            inside = (rows >= 0) & (rows < self.world.num_elements)
            known = np.where(inside, rows, 0)
            fits = inside & (known // per_product == product) & (self.world.element_component[known] == component)
            if self.cards is not None:
                fits &= self.cards.approved[known]
            legal &= np.where(empty, not self.slots[slot].required, fits)
        return legal & self.cards.keeps_rules(self.scenario, combination) if self.cards is not None else legal

    def impressions(self) -> Iterator[pl.DataFrame]:
        """The log in time order, at most `CHUNK_ROWS` rows at a time."""
        for start in range(0, self.num_impressions, CHUNK_ROWS):
            yield self._chunk(start, min(CHUNK_ROWS, self.num_impressions - start))

    def _chunk(self, start: int, rows: int) -> pl.DataFrame:
        rng = stream(self.seed, "log", self.scenario.name, start // CHUNK_ROWS)
        product = self._logged_products[rng.integers(len(self._logged_products), size=rows)]
        segment = rng.integers(self.scenario.num_segments, size=rows, dtype=np.int32)
        combination = np.empty((rows, len(self.slots)), dtype=np.int32)
        propensity, probability = np.empty(rows), np.empty(rows)
        for first in range(0, rows, _BLOCK_ROWS):
            block = slice(first, min(first + _BLOCK_ROWS, rows))
            combination[block], propensity[block] = self.policy.choose(rng, product[block])
            probability[block] = self._click_probability(
                start + first, product[block], segment[block], combination[block]
            )
        clicks = rng.random(rows) < probability
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
    cards = draw_cards(scenario, seed) if scenario.text else None
    drawn = draw_world(scenario, seed, *((cards.style, cards.told) if cards else ()))
    products = _products(scenario, drawn, cards)
    elements = _elements(scenario, drawn, cards, products["product_id"])
    return Simulation(
        scenario=scenario,
        seed=seed,
        num_impressions=num_impressions,
        world=drawn.world,
        policy=logging_policy(scenario, drawn.world, seed, cards),
        slots=tuple(
            Slot(name, scenario.components[component].name, scenario.components[component].required)
            for name, component in zip(scenario.slot_names, scenario.slot_component, strict=True)
        ),
        rules=cards.rules(scenario, products["product_id"], elements["element_id"]) if cards else (),
        products=products,
        elements=elements,
        cards=cards,
    )


def _products(scenario: Scenario, drawn: DrawnWorld, cards: Cards | None) -> pl.DataFrame:
    product_ids = [f"p{row:05d}" for row in range(scenario.num_products)]
    return pl.DataFrame({"product_id": product_ids, **drawn.hints, **(cards.product_columns if cards else {})})


def _elements(scenario: Scenario, drawn: DrawnWorld, cards: Cards | None, product_ids: pl.Series) -> pl.DataFrame:
    num_elements = scenario.num_elements
    nothing = [None] * num_elements
    names = pl.Series([component.name for component in scenario.components])
    return pl.DataFrame(
        {
            "element_id": [f"e{row:07d}" for row in range(num_elements)],
            "product_id": product_ids.gather(pl.Series(element_products(scenario))),
            "component": names.gather(pl.Series(drawn.world.element_component.astype(np.int32))),
            "text": pl.Series(cards.text if cards else nothing, dtype=pl.String),
            "image_uri": pl.Series(cards.image_uri if cards else nothing, dtype=pl.String),
            "status": pl.Series(cards.status.tolist() if cards else [APPROVED] * num_elements),
            **{f"x{i}": pl.Series(drawn.content[:, i]).fill_nan(None) for i in range(CONTENT_DIM)},
        }
    )


def _index(rows: Rows, num_ids: int) -> pl.Series:
    """Rows as indices into ids that end with null for the empty element."""
    return pl.Series(np.where(rows < 0, num_ids - 1, rows))
