"""The exploring decision with exact propensity.

    p(y | x) = w0 q(y) + eps/2 pi(y) + eps/2 u(y) + sum_e s_e pi(y | e shown)

q: share of posterior draws a candidate wins · pi: the generative policy · u: uniform over the mask slot by slot ·
s_e: minimum share of element e · w0: what is left. Everything is known, so the propensity of what is served is exact,
and at least eps/2 u(y) > 0 for every legal combination. `pi(. | e shown)` is the policy decoded under masks that leave
only combinations with e, with the probabilities of that decoding, so it is exact too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError, DataError
from genco.runtime.legal_space import LegalSpace
from genco.runtime.refine import AdditiveTables, beam, coordinate_ascent

Floats = NDArray[np.float64]
Positions = NDArray[np.int32]
ROUNDING = 1e-9


class Policy(Protocol):
    """A distribution over the legal combinations of one request, such as `decoding.RequestPolicy`."""

    def log_prob(self, positions: Positions) -> NDArray[np.floating]:
        """Exact log-probability [batch] of combinations [batch, slot]; -inf for those it never shows."""
        ...

    def sample(self, rng: np.random.Generator, num: int) -> tuple[Positions, NDArray[np.floating]]:
        """`num` independent draws [num, slot] and their log-probabilities [num]."""
        ...


@dataclass(frozen=True)
class DecisionConfig:
    """How much a decision explores.

    epsilon: share beyond the posterior draws, in (0, 1], half by the generative policy, half uniform · num_draws:
    posterior draws · width: multiplies posterior deviations, 0 = the best alone · minimum_share: element id -> smallest
    share it is shown with, where the rules let it be shown; those of one product add up to 1 - epsilon at most. Raises
    `ConfigError` naming parameter and value.
    """

    epsilon: float = 0.02
    num_draws: int = 64
    width: float = 0.3
    minimum_share: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise ConfigError(f"Parameter `epsilon` should be in (0, 1]. Found `epsilon = {self.epsilon}`.")
        if self.num_draws < 1:
            raise ConfigError(f"Parameter `num_draws` should be positive. Found `num_draws = {self.num_draws}`.")
        if not 0 <= self.width < np.inf:
            raise ConfigError(f"Parameter `width` should not be negative. Found `width = {self.width}`.")
        for element, share in self.minimum_share.items():
            if not 0 <= share <= 1 - self.epsilon:
                raise ConfigError(
                    f"Parameter `minimum_share` should be between 0 and 1 - epsilon = {1 - self.epsilon:g}. "
                    f"Found {share} for {element!r}."
                )


@dataclass(frozen=True)
class ProductDecisions:
    """Where single products decide otherwise. minimum_share: product row -> element id -> share, all that the product
    has, in place of the config's · paused: product rows that do not explore: see `Decision.certain`."""

    minimum_share: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    paused: frozenset[int] = frozenset()


def minimum_share_parts(
    config: DecisionConfig, space: LegalSpace, element_rows: Mapping[str, int]
) -> tuple[tuple[float, LegalSpace], ...]:
    """Share and restricted space of every element with a minimum share that may be shown in `space`.

    An element that fits several slots has its share split evenly over them. One that the rules keep out, that is not
    approved, or that belongs to another product, is left out: its share stays with the posterior draws.
    """
    parts: list[tuple[float, LegalSpace]] = []
    for element, share in config.minimum_share.items():
        row = element_rows.get(element, -2)
        places = [(slot, int(at)) for slot, rows in enumerate(space.candidates) for at in np.flatnonzero(rows == row)]
        fitting = [part for part in (space.restricted(*place) for place in places) if share and not part.is_empty]
        parts += [(share / len(fitting), part) for part in fitting]
    return tuple(parts)


@dataclass(frozen=True)
class Winners:
    """The distribution q: combinations that win posterior draws.

    positions: [num, slot] distinct, in the candidates' order · share: [num] of the draws that each wins, all positive.
    """

    positions: Positions
    share: Floats


def winners(candidates: Positions, drawn: NDArray[np.floating]) -> Winners:
    """Who wins. candidates: [num, slot] distinct legal positions · drawn: [draw, num] their scores under the draws.

    Raises `DataError` for scores that are not finite or of another shape.
    """
    share = _win_share(drawn, len(candidates))
    won = np.flatnonzero(share)
    return Winners(np.ascontiguousarray(candidates[won], dtype=np.int32), share[won])


class Decision:
    """The served distribution of one request.

    won: who wins the posterior draws · policy: the generative policy of the request · pinned: (share, policy under that
    restriction) of `minimum_share_parts` · weights: in place of the config's. Raises `ConfigError` when epsilon and the
    shares exceed 1.
    """

    def __init__(
        self,
        config: DecisionConfig,
        won: Winners,
        policy: Policy,
        space: LegalSpace,
        pinned: Sequence[tuple[float, Policy]] = (),
        weights: Floats | None = None,
    ) -> None:
        self.config, self.won, self.policy, self.space, self.pinned = config, won, policy, space, tuple(pinned)
        self.weights = _weights(config, [share for share, _ in self.pinned]) if weights is None else weights
        self._part_stops, self._winner_stops = _stops(self.weights), _stops(won.share)
        self._known: dict[int, float] = {}

    @classmethod
    def certain(cls, config: DecisionConfig, best: Positions, policy: Policy, space: LegalSpace) -> Decision:
        """The distribution that serves `best` [slot] always, with propensity 1."""
        won = Winners(best[None].astype(np.int32), np.ones(1))
        return cls(config, won, policy, space, weights=np.array([1.0, 0.0, 0.0]))

    @property
    def greedy_weight(self) -> float:
        """Weight w0 of the posterior draws."""
        return float(self.weights[0])

    def propensity(self, positions: Positions) -> Floats:
        """Exact probability [batch] that each combination [batch, slot] is served; 0 for illegal ones."""
        rows = np.ascontiguousarray(positions, dtype=np.int32)
        total = np.zeros(len(rows))
        legal = self.space.is_legal(rows)
        rows = rows[legal]
        if not len(rows):
            return total
        same = (rows[:, None, :] == self.won.positions[None]).all(axis=2)
        won = same @ self.won.share
        parts = [won, np.exp(_log_prob(self.policy, rows)), np.exp(self.space.uniform_log_prob(rows))]
        parts += [np.exp(_log_prob(policy, rows)) for _, policy in self.pinned]
        total[legal] = self.weights @ np.stack(parts)
        return total

    def choose(self, rng: np.random.Generator) -> tuple[Positions, float]:
        """One combination [slot] and its propensity, which is remembered for those who win posterior draws."""
        part = bisect_right(self._part_stops, rng.random())
        if part:
            positions = self._sampled(rng, part, 1)
            return positions[0], float(self.propensity(positions)[0])
        winner = bisect_right(self._winner_stops, rng.random())
        known = self._known.get(winner)
        if known is None:
            known = self._known[winner] = float(self.propensity(self.won.positions[winner : winner + 1])[0])
        return self.won.positions[winner], known

    def sample(self, rng: np.random.Generator, num: int) -> Positions:
        """`num` independent combinations [num, slot]."""
        counts = [int(count) for count in rng.multinomial(num, self.weights)]
        parts = [self.won.positions[rng.choice(len(self.won.share), counts[0], p=self.won.share)]]
        parts += [self._sampled(rng, part, count) for part, count in enumerate(counts) if part and count]
        return rng.permutation(np.concatenate(parts).astype(np.int32), axis=0)

    def _sampled(self, rng: np.random.Generator, part: int, num: int) -> Positions:
        """`num` combinations of a part of the mixture: 1 the policy, 2 uniform, from 3 on a policy that is pinned."""
        if part == 2:
            return self.space.sample_uniform(rng, num)
        policy = self.policy if part == 1 else self.pinned[part - 3][1]
        return policy.sample(rng, num)[0]


def _stops(shares: Floats) -> list[float]:
    """Where the shares, which sum to 1, end on [0, 1]; the last one at 1 exactly."""
    return [*np.cumsum(shares)[:-1].tolist(), 1.0]


def _weights(config: DecisionConfig, shares: Sequence[float]) -> Floats:
    """Weights of q, pi, u and of every pinned policy; they sum to 1."""
    left = 1.0 - config.epsilon - sum(shares)
    if left < -ROUNDING:
        shown = " + ".join(f"{share:g}" for share in shares)
        raise ConfigError(
            "Parameters `epsilon` and `minimum_share` should add up to 1 at most for every product. "
            f"Found `epsilon = {config.epsilon:g}` and shares {shown}, together {1.0 - left:g}."
        )
    weights = np.array([max(left, 0.0), config.epsilon / 2, config.epsilon / 2, *shares])
    return np.asarray(weights / weights.sum())


def _win_share(drawn: NDArray[np.floating], num: int) -> Floats:
    """Share [num] of draws that each candidate wins, the first of equals; drawn: [draw, num]."""
    if drawn.ndim != 2 or not len(drawn) or not num or drawn.shape[1] != num:
        raise DataError(f"Scores of draws should be [draw, {num}], none of them 0. Found the shape {drawn.shape}.")
    winner = drawn.argmax(axis=1)
    best = drawn[np.arange(len(drawn)), winner]  # not finite if any score of the draw is NaN or +inf
    if not np.isfinite(best).all():
        row = int(np.flatnonzero(~np.isfinite(best))[0])
        raise DataError(f"Scores of draws should be finite. Found {best[row]} in draw {row}, candidate {winner[row]}.")
    return np.asarray(np.bincount(winner, minlength=num) / len(drawn))


def _log_prob(policy: Policy, positions: Positions) -> Floats:
    return np.asarray(policy.log_prob(positions), dtype=np.float64)


def candidate_set(
    tables: AdditiveTables,
    upper: Callable[[], AdditiveTables],
    space: LegalSpace,
    rng: np.random.Generator,
    limit: int = 4_096,
    beam_width: int = 64,
) -> Positions:
    """What posterior draws choose among, distinct [num, slot]; deterministic given the stream `rng`.

    All legal combinations up to `limit`, else a beam on the mean and one on the upper bound, whose tables are asked for
    only then, and where coordinate ascent leads from them and from a quarter as many uniform combinations: over many
    candidates a slot, beams alone miss the best.
    """
    if space.count(limit) <= limit:
        return space.enumerate(limit)
    found, drawn = [], space.sample_uniform(rng, max(beam_width // 4, 1))
    for scores in (tables, upper()):
        best = beam(scores, space, beam_width)
        found += [best, coordinate_ascent(scores, space, np.concatenate([best[: len(drawn)], drawn]))[0]]
    every = np.concatenate(found)
    _, first = np.unique(every, axis=0, return_index=True)
    return every[np.sort(first)]
