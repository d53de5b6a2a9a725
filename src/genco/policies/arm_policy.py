"""The online policy of listed combinations: belief, look-ahead, decision with exact propensity. Torch-free.

A batch of views is planned in portions: each goes to the combination of best look-ahead value once the portions planned
before it, and views served earlier whose outcome is still to come, count as done. So a batch spreads over what is worth
trying, and late clicks do not make the policy try the same thing again and again. The portions are the decision's
winners, so the propensity of every combination is exact and the same for all views of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError
from genco.runtime.arm_posterior import ArmCounts, ArmPosterior
from genco.runtime.decision import Decision, DecisionConfig, Winners
from genco.runtime.legal_space import LegalSpace
from genco.runtime.listed import Listed
from genco.runtime.lookahead import lookahead_value

Floats = NDArray[np.float64]
Positions = NDArray[np.int32]
FIRST_BATCHES = 10.0
SMALLEST_PORTION = 100


@dataclass(frozen=True)
class ArmPolicyConfig:
    """How the online policy explores.

    epsilon: share served uniformly, so that every combination keeps a positive propensity · portions: parts a batch is
    planned in, of no fewer than `SMALLEST_PORTION` views · horizon: views to come, for every view so far, that the
    policy reckons with. The true number of views to come is not asked for: it is rarely known.
    """

    epsilon: float = 0.01
    portions: int = 4
    horizon: float = 1.0

    def __post_init__(self) -> None:
        if self.portions < 1:
            raise ConfigError(f"Parameter `portions` should be positive. Found `portions = {self.portions}`.")
        if not 0 <= self.horizon < np.inf:
            raise ConfigError(f"Parameter `horizon` should not be negative. Found `horizon = {self.horizon}`.")


class Belief(Protocol):
    """A belief on the arms of items, such as `arm_belief.ArmBelief`."""

    def posterior(self, item: int) -> ArmPosterior:
        """Logits of the item's arms."""
        ...

    def learn(self, counts: ArmCounts) -> None:
        """Add views and clicks [arm] of all items."""
        ...


class UniformOver:
    """The policy that serves a space uniformly, slot by slot."""

    def __init__(self, space: LegalSpace) -> None:
        self.space = space

    def log_prob(self, positions: Positions) -> Floats:
        return self.space.uniform_log_prob(positions)

    def sample(self, rng: np.random.Generator, num: int) -> tuple[Positions, Floats]:
        positions = self.space.sample_uniform(rng, num)
        return positions, self.space.uniform_log_prob(positions)


class ItemArms:
    """The arms of one item as a legal space. elements: int32 [arm, slot], distinct."""

    def __init__(self, elements: NDArray[np.int32]) -> None:
        known = [np.unique(elements[:, slot]) for slot in range(elements.shape[1])]
        positions = np.stack([np.searchsorted(k, elements[:, c]) for c, k in enumerate(known)], axis=1).astype(np.int32)
        order = np.lexsort(positions.T[::-1])
        sizes = tuple(len(k) for k in known)
        self.positions = positions
        self.space = LegalSpace(tuple(k.astype(np.int32) for k in known), Listed(sizes, positions[order]))
        self._sizes = sizes
        keys = np.ravel_multi_index(tuple(positions.T), sizes)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    def arms(self, positions: Positions) -> NDArray[np.int64]:
        """Arm [batch] of listed positions [batch, slot]."""
        wanted = np.ravel_multi_index(tuple(positions.T), self._sizes)
        return np.asarray(self._order[np.searchsorted(self._keys, wanted)])


class ItemPlan:
    """Plans the views of one item: a decision per portion of a batch."""

    def __init__(self, arms: ItemArms, config: ArmPolicyConfig) -> None:
        self.arms, self.config = arms, config
        self._decision = DecisionConfig(epsilon=config.epsilon, num_draws=1)
        self._uniform = UniformOver(arms.space)
        self.waiting = np.zeros(len(arms.positions))  # views served whose outcome is to come
        self.served = 0

    def decision(self, posterior: ArmPosterior, batch_views: int) -> Decision:
        """What the next `batch_views` views are served from: exact propensities for every arm."""
        batches = max(self.config.horizon * self.served / batch_views, FIRST_BATCHES)
        portions = int(np.clip(batch_views // SMALLEST_PORTION, 1, self.config.portions))
        planned = np.zeros(len(self.waiting))
        posterior = posterior.awaiting(self.waiting)
        for _ in range(portions):
            best = int(lookahead_value(posterior, batch_views, batches).argmax())
            views = np.zeros(len(planned))
            views[best] = batch_views / portions
            planned += views
            posterior = posterior.awaiting(views)
        won = np.flatnonzero(planned)
        winners = Winners(self.arms.positions[won], planned[won] / batch_views)
        return Decision(self._decision, winners, self._uniform, self.arms.space)

    def serve(self, posterior: ArmPosterior, num: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Arms [num] of a batch; they count as waiting until `told`."""
        arms = self.arms.arms(self.decision(posterior, num).sample(rng, num))
        self.waiting += np.bincount(arms, minlength=len(self.waiting))
        self.served += num
        return arms

    def told(self, views: Floats) -> None:
        """Outcomes of `views` [arm] are known."""
        self.waiting = np.maximum(self.waiting - views, 0.0)
