"""The online policy of listed combinations: belief, look-ahead or draws, decision with exact propensity. Torch-free.

One item, or a few: a batch of views is planned in portions. Each goes to the combination of best look-ahead value once
the portions planned before it, and views served earlier whose outcome is still to come, count as done. So a batch
spreads over what is worth trying, and late clicks do not make the policy try the same thing again and again.

Many items that share effects: most of what is learned of an item comes from views of the others, which a plan for that
item alone cannot see. It undervalues what is learned for all and overvalues what is learned for the item, so
combinations are drawn instead, from the belief on what items share, narrowed (Thompson sampling).

Portions or draws won are the decision's winners, so the propensity of every combination is exact and the same for all
views of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError
from genco.runtime.arm_posterior import ArmPosterior
from genco.runtime.decision import Decision, DecisionConfig, Winners, winners
from genco.runtime.legal_space import LegalSpace
from genco.runtime.listed import Listed
from genco.runtime.lookahead import lookahead_value

Floats = NDArray[np.float64]
Positions = NDArray[np.int32]
FIRST_BATCHES = 10.0
SMALLEST_PORTION = 100
FEW_ITEMS = 8


@dataclass(frozen=True)
class ArmPolicyConfig:
    """How the online policy explores.

    epsilon: share served uniformly, so that every combination keeps a positive propensity · portions: parts a batch is
    planned in, of no fewer than `SMALLEST_PORTION` views · horizon: views to come, for every view so far, that the
    policy reckons with; the true number is not asked for, it is rarely known · num_draws, width: draws of a decision
    where there are many items, and what their deviations are multiplied by · half_life: views after which a view counts
    half, for rates that drift; infinite = all views count alike.
    """

    epsilon: float = 0.01
    portions: int = 4
    horizon: float = 1.0
    num_draws: int = 64
    width: float = 0.3
    half_life: float = np.inf

    def __post_init__(self) -> None:
        if self.portions < 1:
            raise ConfigError(f"Parameter `portions` should be positive. Found `portions = {self.portions}`.")
        if not 0 <= self.horizon < np.inf:
            raise ConfigError(f"Parameter `horizon` should not be negative. Found `horizon = {self.horizon}`.")
        if not self.half_life > 0:
            raise ConfigError(f"Parameter `half_life` should be positive. Found `half_life = {self.half_life}`.")


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
    """Decides for one item, once per batch of its views. among: how many items the belief is about."""

    def __init__(self, arms: ItemArms, config: ArmPolicyConfig, among: int = 1) -> None:
        self.arms, self.config = arms, config
        self._draws = among > FEW_ITEMS
        self._decision = DecisionConfig(epsilon=config.epsilon, num_draws=config.num_draws, width=config.width)
        self._uniform = UniformOver(arms.space)
        self.waiting = np.zeros(len(arms.positions))  # views served whose outcome is to come
        self.served = 0

    def decision(self, posterior: ArmPosterior, batch_views: int, rng: np.random.Generator) -> Decision:
        """What the next `batch_views` views are served from: exact propensities for every arm."""
        posterior = posterior.awaiting(self.waiting)
        if self._draws:
            drawn = posterior.draws(rng, self.config.num_draws, self.config.width)
            won = winners(self.arms.positions, drawn)
        else:
            won = self._planned(posterior, batch_views)
        return Decision(self._decision, won, self._uniform, self.arms.space)

    def _planned(self, posterior: ArmPosterior, batch_views: int) -> Winners:
        """The portions of a batch, each where it is worth most after those before it."""
        known = min(float(self.served), self.config.half_life)
        batches = max(self.config.horizon * known / batch_views, FIRST_BATCHES)
        portions = int(np.clip(batch_views // SMALLEST_PORTION, 1, self.config.portions))
        planned = np.zeros(len(self.waiting))
        for _ in range(portions):
            best = int(lookahead_value(posterior, batch_views, batches).argmax())
            views = np.zeros(len(planned))
            views[best] = batch_views / portions
            planned += views
            posterior = posterior.awaiting(views)
        won = np.flatnonzero(planned)
        return Winners(self.arms.positions[won], planned[won] / batch_views)

    def serve(self, posterior: ArmPosterior, num: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Arms [num] of a batch; they count as waiting until `told`."""
        arms = self.arms.arms(self.decision(posterior, num, rng).sample(rng, num))
        self.waiting += np.bincount(arms, minlength=len(self.waiting))
        self.served += num
        return arms

    def told(self, views: Floats) -> None:
        """Outcomes of `views` [arm] are known."""
        self.waiting = np.maximum(self.waiting - views, 0.0)
