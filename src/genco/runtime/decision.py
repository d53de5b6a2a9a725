"""The exploring decision with exact propensity.

    p(y | x) = w0 q(y) + eps/2 pi(y) + eps/2 u(y) + sum_e s_e pi(y | e shown)

q: share of posterior draws a candidate wins · pi: the generative policy · u: uniform over the mask slot by slot ·
s_e: minimum share of element e. Everything is known, so the propensity of what is served is exact and positive for
every legal combination.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError
from genco.runtime.decoding import RequestPolicy
from genco.runtime.legal_space import LegalSpace
from genco.runtime.refine import AdditiveTables, beam

Floats = NDArray[np.float64]
Positions = NDArray[np.int32]


@dataclass(frozen=True)
class DecisionConfig:
    """epsilon: share of exploration beyond the posterior draws, half by the generative policy, half uniform · num_draws:
    posterior draws · width: multiplies posterior deviations · minimum_share: element id -> smallest share it is shown with."""

    epsilon: float = 0.02
    num_draws: int = 64
    width: float = 0.3
    minimum_share: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise ConfigError(f"Parameter `epsilon` should be in (0, 1]. Found `epsilon = {self.epsilon}`.")
        if self.num_draws < 1:
            raise ConfigError(f"Parameter `num_draws` should be positive. Found `num_draws = {self.num_draws}`.")
        if self.width < 0:
            raise ConfigError(f"Parameter `width` should not be negative. Found `width = {self.width}`.")
        for element, share in self.minimum_share.items():
            if not 0 <= share < 1:
                raise ConfigError(f"Parameter `minimum_share` should be in [0, 1). Found {share} for {element!r}.")
        total = self.epsilon + sum(self.minimum_share.values())
        if total > 1:
            raise ConfigError(f"Parameters `epsilon` and `minimum_share` should add up to 1 at most. Found {total}.")


class Decision:
    """The served distribution of one request.

    candidates: [num, slot] distinct positions · drawn: [draw, num] scores under posterior draws · policy: the generative
    policy of the request · pinned: (share, policy under that pin) of every element with a minimum share here.
    """

    def __init__(
        self,
        config: DecisionConfig,
        candidates: Positions,
        drawn: NDArray[np.floating],
        policy: RequestPolicy,
        space: LegalSpace,
        pinned: tuple[tuple[float, RequestPolicy], ...] = (),
    ) -> None:
        self.config, self.candidates, self.policy, self.space, self.pinned = config, candidates, policy, space, pinned
        wins = np.bincount(drawn.argmax(axis=1), minlength=len(candidates))
        self.win_share = wins / wins.sum()
        self.greedy_weight = 1.0 - config.epsilon - sum(share for share, _ in pinned)
        self._index = {row.tobytes(): i for i, row in enumerate(np.ascontiguousarray(candidates, dtype=np.int32))}

    def propensity(self, positions: Positions) -> Floats:
        """Exact probability [batch] that each combination is served; 0 for illegal ones."""
        half = self.config.epsilon / 2
        found = [self._index.get(row.tobytes(), -1) for row in np.ascontiguousarray(positions, dtype=np.int32)]
        total = self.greedy_weight * np.append(self.win_share, 0.0)[found]
        total += half * np.exp(self.policy.log_prob(positions).astype(np.float64))
        total += half * np.exp(self.space.uniform_log_prob(positions))
        for share, policy in self.pinned:
            total += share * np.exp(policy.log_prob(positions).astype(np.float64))
        return total

    def choose(self, rng: np.random.Generator) -> tuple[Positions, float]:
        """One combination [slot] and its propensity."""
        positions = self.sample(rng, 1)
        return positions[0], float(self.propensity(positions)[0])

    def sample(self, rng: np.random.Generator, num: int) -> Positions:
        """`num` independent combinations [num, slot]."""
        half = self.config.epsilon / 2
        weights = np.array([self.greedy_weight, half, half, *(share for share, _ in self.pinned)])
        counts = rng.multinomial(num, weights / weights.sum())
        parts = [self.candidates[rng.choice(len(self.candidates), counts[0], p=self.win_share)]]
        if counts[1]:
            parts.append(self.policy.sample(rng, int(counts[1]))[0])
        if counts[2]:
            parts.append(self.space.sample_uniform(rng, int(counts[2])))
        for count, (_, policy) in zip(counts[3:], self.pinned, strict=True):
            if count:
                parts.append(policy.sample(rng, int(count))[0])
        return rng.permutation(np.concatenate(parts).astype(np.int32), axis=0)


def candidate_set(
    tables: AdditiveTables, upper: AdditiveTables, space: LegalSpace, limit: int = 4_096, width: int = 64
) -> Positions:
    """All legal combinations up to `limit`, else the best by mean and by upper bound, distinct [num, slot]."""
    if space.count(limit) <= limit:
        return space.enumerate(limit)
    both = np.concatenate([beam(tables, space, width), beam(upper, space, width)])
    _, first = np.unique(both, axis=0, return_index=True)
    return both[np.sort(first)]
