"""A simulated world small enough to hold every request and combination: exact values, and logs drawn in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.simulator.simulate import Simulation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EnumeratedWorld:
    """Requests are all products in all segments, equally likely; combinations are numbered, all of `sizes`.

    sizes: candidates of each slot · logged, evaluated: [request, combination] probability of being shown · rate, model:
    [request, combination] true click probability, and that of the truth without its pair effects.
    """

    sizes: tuple[int, ...]
    logged: Floats
    evaluated: Floats
    rate: Floats
    model: Floats

    @property
    def value(self) -> float:
        """True value of the evaluated policy."""
        return float((self.evaluated * self.rate).sum(axis=1).mean())

    @property
    def logged_value(self) -> float:
        """True value of the logging policy."""
        return float((self.logged * self.rate).sum(axis=1).mean())

    @property
    def expected(self) -> Floats:
        """What the model expects of the evaluated policy [request]."""
        return np.asarray((self.evaluated * self.model).sum(axis=1))

    def draw(self, num_impressions: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats, Floats]:
        """A log: cells (request * combinations + combination) shown at least once, impressions and clicks of each."""
        shown = rng.multinomial(num_impressions, self.logged.ravel() / len(self.logged))
        cells = np.flatnonzero(shown)
        clicks = rng.binomial(shown[cells], self.rate.ravel()[cells])
        return cells, shown[cells].astype(np.float64), clicks.astype(np.float64)

    def slot_weights(self) -> Floats:
        """Weight of the pseudo-inverse [request, combination]: sum of marginal ratios - number of slots + 1."""
        total = np.full(self.rate.shape, 1.0 - len(self.sizes))
        positions = np.indices(self.sizes).reshape(len(self.sizes), -1)
        for slot, size in enumerate(self.sizes):
            member = np.eye(size)[positions[slot]]
            total += ((self.evaluated @ member) / (self.logged @ member))[:, positions[slot]]
        return np.asarray(total)


def enumerated_world(simulation: Simulation, sharpness: float, tilted: bool = False) -> EnumeratedWorld:
    """Every product and segment of a simulation whose combinations are all legal.

    The evaluated policy is 0.9 s + 0.1 b, with s proportional to b exp(sharpness * true logit in standard deviations)
    and b uniform or, `tilted`, the logging policy; the oracle where `sharpness` is infinite.
    """
    world = simulation.world
    sizes: tuple[int, ...] = ()
    logged, rates, models = [], [], []
    for product in range(world.num_products):
        candidates = simulation.candidates(product)
        sizes = tuple(len(rows) for rows in candidates)
        rows = np.stack([axis.ravel() for axis in np.meshgrid(*candidates, indexing="ij")], axis=1).astype(np.int32)
        shown = simulation.policy.propensity(np.full(len(rows), product, dtype=np.int32), rows)
        for segment in range(len(world.context_values)):
            tables = world.slot_tables(product, segment, candidates)
            own = np.full(sizes, tables.constant)
            for slot, effects in enumerate(tables.own):
                own += effects.reshape([-1 if axis == slot else 1 for axis in range(len(sizes))])
            logged.append(shown)
            models.append(own.ravel())
            rates.append(world.enumerate_logits(product, segment, candidates).ravel())
    logit, own = np.stack(rates), np.stack(models)
    by_log = np.stack(logged)
    shown_by = by_log if tilted else np.full(logit.shape, 1.0 / logit.shape[1])
    return EnumeratedWorld(sizes, by_log, _policy(logit, shown_by, sharpness), _sigmoid(logit), _sigmoid(own))


def _policy(logit: Floats, base: Floats, sharpness: float) -> Floats:
    best = logit.max(axis=1, keepdims=True)
    if np.isinf(sharpness):
        chosen = (logit == best).astype(np.float64)
        return np.asarray(chosen / chosen.sum(axis=1, keepdims=True))
    chance = base * np.exp(sharpness * (logit - best) / logit.std(axis=1, keepdims=True))
    return np.asarray(0.9 * chance / chance.sum(axis=1, keepdims=True) + 0.1 * base)


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))
