"""Conformance kit of policies over one request: what every generator and every decision must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

from genco.runtime.decision import Decision
from genco.runtime.legal_space import LegalSpace

Positions = NDArray[np.int32]
ENUMERATED = 20_000


class Proposer(Protocol):
    def log_prob(self, positions: Positions) -> NDArray[np.floating]: ...
    def sample(self, rng: np.random.Generator, num: int) -> tuple[Positions, NDArray[np.floating]]: ...
    def propose(self, num: int, rng: np.random.Generator) -> tuple[Positions, NDArray[np.floating]]: ...
    def greedy(self) -> Positions: ...


def check_policy(policy: Proposer, space: LegalSpace, seed: int = 0, draws: int = 20_000) -> None:
    """Everything below, on a space small enough to enumerate."""
    check_log_prob_sums_to_one(policy, space)
    for num in (1, 2, 5, 16):
        check_proposals(policy, space, num, seed)
    rng = np.random.default_rng(seed)
    drawn, log_prob = policy.sample(rng, draws)
    np.testing.assert_allclose(log_prob, policy.log_prob(drawn), rtol=1e-4, atol=1e-4)
    check_frequencies(drawn, lambda at: np.exp(policy.log_prob(at).astype(np.float64)), space)


def check_log_prob_sums_to_one(policy: Proposer, space: LegalSpace) -> None:
    """Over the legal combinations; every other combination of candidates has probability 0."""
    legal = space.enumerate(ENUMERATED)
    log_prob = policy.log_prob(legal)
    assert np.isfinite(log_prob).all()
    assert abs(np.exp(log_prob.astype(np.float64)).sum() - 1) < 1e-4
    every = np.indices(space.sizes, dtype=np.int32).reshape(space.num_slots, -1).T
    assert (policy.log_prob(every[~space.is_legal(every)]) == -np.inf).all()


def check_proposals(policy: Proposer, space: LegalSpace, num: int, seed: int = 0) -> None:
    """min(num, number legal) distinct legal combinations, the greedy one first, with their own log-probabilities."""
    positions, log_prob = policy.propose(num, np.random.default_rng(seed))
    assert len(positions) == min(num, space.count(ENUMERATED))
    assert len(np.unique(positions, axis=0)) == len(positions)
    assert space.is_legal(positions).all()
    np.testing.assert_array_equal(positions[0], policy.greedy())
    np.testing.assert_allclose(log_prob, policy.log_prob(positions), rtol=1e-4, atol=1e-4)


def check_frequencies(
    drawn: Positions, probability: Callable[[Positions], NDArray[np.float64]], space: LegalSpace, smallest: float = 1e-4
) -> None:
    """Chi-squared of independent draws against `probability`; cells that expect fewer than 5 draws are merged."""
    assert space.is_legal(drawn).all()
    legal = space.enumerate(ENUMERATED)
    index = {row.tobytes(): i for i, row in enumerate(legal)}
    seen = np.bincount([index[row.tobytes()] for row in np.ascontiguousarray(drawn)], minlength=len(legal))
    expected = probability(legal) * len(drawn)
    small = expected < 5
    if small.any():
        seen = np.append(seen[~small], seen[small].sum())
        expected = np.append(expected[~small], expected[small].sum())
    if len(seen) > 1 and expected[-1] == 0:
        assert seen[-1] == 0
        seen, expected = seen[:-1], expected[:-1]
    if len(seen) > 1:
        assert chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > smallest


def check_decision(decision: Decision, space: LegalSpace, seed: int = 0, draws: int = 20_000) -> None:
    """Propensities sum to 1, are positive for everything legal, and are the frequencies of what is served."""
    legal = space.enumerate(ENUMERATED)
    propensity = decision.propensity(legal)
    assert (propensity > 0).all()
    assert abs(propensity.sum() - 1) < 1e-4
    drawn = decision.sample(np.random.default_rng(seed), draws)
    check_frequencies(drawn, decision.propensity, space)
    chosen, served = decision.choose(np.random.default_rng(seed))
    assert served == decision.propensity(chosen[None])[0]
