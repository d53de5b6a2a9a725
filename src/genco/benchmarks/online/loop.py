"""Plays an online policy against true click rates, in batches, and records how well it served.

    value = sum over views (rate of the arm served - uniform mean of its item)
            / sum over views (rate of the item's best arm - uniform mean)

from true rates, so without the noise of clicks: 0 = uniform, 1 = oracle. Clicks are Bernoulli. Where they come late,
a view's outcome is told once, `attribution_window` views after it was served: clicked if the click had come by then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.online.environment import RateEnvironment
from genco.benchmarks.online.policy import OnlinePolicy
from genco.errors import ConfigError, DataError
from genco.rng import stream


@dataclass(frozen=True)
class PlayConfig:
    """How a run is played.

    views: how many are served · update_every: views between two updates · record_every: views between two
    checkpoints · random_views: served uniformly and learned from before the first view that counts · mean_delay: mean
    of a click's exponential delay, in views · attribution_window: views after which an outcome is told ·
    lost_clicks: share of clicks that never arrive.
    """

    views: int = 240_000
    update_every: int = 1_000
    record_every: int = 10_000
    random_views: int = 0
    mean_delay: float = 0.0
    attribution_window: int = 0
    lost_clicks: float = 0.0

    def __post_init__(self) -> None:
        if self.update_every < 1 or self.record_every % self.update_every or self.record_every < 1:
            raise ConfigError(
                "Parameter `record_every` should be a multiple of `update_every`, both positive. "
                f"Found {self.record_every} and {self.update_every}."
            )
        if self.views < 1 or self.views % self.record_every:
            raise ConfigError(
                f"Parameter `views` should be a multiple of `record_every` = {self.record_every}. Found {self.views}."
            )
        if not 0 <= self.lost_clicks <= 1:
            raise ConfigError(f"Parameter `lost_clicks` should be in [0, 1]. Found {self.lost_clicks}.")
        if min(self.mean_delay, self.attribution_window, self.random_views) < 0:
            raise ConfigError(
                "Parameters `mean_delay`, `attribution_window` and `random_views` should not be negative. "
                f"Found {self.mean_delay}, {self.attribution_window} and {self.random_views}."
            )


@dataclass(frozen=True)
class Checkpoint:
    """Normalised value after `views` views: `cumulative` of all, `window` of those since the last checkpoint.

    The figures published for the AES tables are cumulative.
    """

    views: int
    cumulative: float
    window: float


def play(policy: OnlinePolicy, environment: RateEnvironment, config: PlayConfig, seed: int) -> list[Checkpoint]:
    """One run. Items and the luck of clicks depend on the seed alone, so policies can be compared view by view.

    Raises `DataError` if the policy serves an arm of another item.
    """
    rng = stream(seed, "online play")
    if config.random_views:
        _random_views(policy, environment, config.random_views, rng)
    checkpoints: list[Checkpoint] = []
    waiting = np.zeros((4, 0), dtype=np.int64)  # views not told yet: when due, item, arm, click
    gains: list[tuple[float, float]] = []
    for start in range(0, config.views, config.update_every):
        end = start + config.update_every
        items = _items(environment, config.update_every, rng)
        arms = _legal(policy.choose(items), items, environment)
        rates = environment.at(start)
        uniform = rates.uniform[items]
        gains.append((float((rates.arm[arms] - uniform).sum()), float((rates.best[items] - uniform).sum())))
        clicks = _observed_clicks(rates.arm[arms], config, rng)
        due = np.arange(start + 1, end + 1) + config.attribution_window
        waiting = np.concatenate([waiting, np.stack([due, items, arms, clicks])], axis=1)
        told = waiting[:, waiting[0] <= end]
        waiting = waiting[:, waiting[0] > end]
        if told.size:
            policy.update(told[1].astype(np.int32), told[2], told[3])
        if end % config.record_every == 0:
            recent = gains[-(config.record_every // config.update_every) :]
            checkpoints.append(Checkpoint(end, _ratio(gains), _ratio(recent)))
    return checkpoints


def _random_views(policy: OnlinePolicy, environment: RateEnvironment, num: int, rng: np.random.Generator) -> None:
    items = _items(environment, num, rng)
    first = environment.arms.first
    arms = first[items] + rng.integers(np.diff(first)[items])
    clicks = rng.random(num) < environment.at(0).arm[arms]
    policy.update(items, arms, clicks.astype(np.int64))


def _items(environment: RateEnvironment, num: int, rng: np.random.Generator) -> NDArray[np.int32]:
    return rng.integers(environment.arms.num_items, size=num, dtype=np.int32)


def _legal(arms: NDArray[np.int64], items: NDArray[np.int32], environment: RateEnvironment) -> NDArray[np.int64]:
    known = environment.arms
    if arms.shape != items.shape or not ((arms >= 0) & (arms < known.num_arms)).all():
        raise DataError(f"One arm from 0 to {known.num_arms - 1} is expected for each view. Found {arms}.")
    wrong = np.flatnonzero(known.item[arms] != items)
    if len(wrong):
        at = int(wrong[0])
        raise DataError(f"An arm of item {items[at]} is expected. Found arm {arms[at]} of item {known.item[arms[at]]}.")
    return arms


def _observed_clicks(rates: NDArray[np.float64], config: PlayConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """Clicks [view] that will have arrived when the outcome is told."""
    clicked = rng.random(len(rates)) < rates
    arrives = rng.random(len(rates)) >= config.lost_clicks
    if config.mean_delay:
        arrives &= rng.exponential(config.mean_delay, len(rates)) <= config.attribution_window
    return (clicked & arrives).astype(np.int64)


def _ratio(gains: list[tuple[float, float]]) -> float:
    """Normalised value; 0 where every arm of every item is the same."""
    served, possible = np.sum(gains, axis=0)
    return float(served / possible) if possible > 0 else 0.0
