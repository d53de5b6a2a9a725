"""Fitting stage 2: a handful of Newton passes over the log, prior scales by marginal likelihood.

One round = one pass for the gradient of everything, then exact updates of the appeal part (per product and context)
and of the creative weights (one dense solve). The information matrix is taken from a subsample of rows and scaled up:
it sets the step and the posterior width, never the optimum.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from genco.data.encoded_log import EncodedLog
from genco.errors import ConfigError, DataError
from genco.models.additive import AdditiveModel, ContentTables, PassResult
from genco.models.evidence import (
    GaussianStatistics,
    Posterior,
    averaged_scales,
    fit_evidence,
    solve_with,
    variance_component,
)
from genco.rng import stream
from genco.runtime.terms import TermLayout
from genco.training.product_levels import FREE_VARIANCE, learned_variance, level_step

MIN_CURVATURE_ROWS = 1_000
MAX_LEVEL_PASSES, SETTLED = 4, 0.1
MAX_HALVINGS, DROP = 6, 1e-5
Weights = NDArray[np.float64]
Progress = Callable[[str, dict[str, float]], None]


@dataclass(frozen=True)
class RewardModelConfig:
    """Stage 2. Ranks are upper bounds; the number used is learned from the content. Each part can be switched off."""

    max_own_rank: int = 64
    max_pair_rank: int = 8
    own: bool = True
    pair: bool = True
    appeal: bool = True
    context: bool = True
    own_context: bool = True
    element_effects: bool = True
    exposure_control: bool = True
    pair_directions: str = "auto"
    residual: str = "auto"
    max_rounds: int = 8
    curvature_rows: int = 300_000
    propensity_clip: float = 0.0

    def __post_init__(self) -> None:
        for name in ("residual", "pair_directions"):
            if getattr(self, name) not in ("auto", "on", "off"):
                raise ConfigError(f'Parameter `{name}` should be "auto", "on" or "off". Found {getattr(self, name)!r}.')
        for name in ("max_own_rank", "max_pair_rank", "max_rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Parameter `{name}` should be positive. Found `{name} = {getattr(self, name)}`.")
        if self.curvature_rows < MIN_CURVATURE_ROWS:
            raise ConfigError(
                f"Parameter `curvature_rows` should be at least {MIN_CURVATURE_ROWS:,}. "
                f"Found `curvature_rows = {self.curvature_rows}`."
            )


@dataclass
class FitState:
    """Everything the rounds change: plain arrays, so that a checkpoint is this object."""

    theta: Weights
    product_logit: Weights
    product_weights: Weights
    product_variance: float
    context_weights: Weights
    element_effect: Weights
    element_curvature: Weights
    element_variance: float
    exponent: float = 0.0
    block_variance: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FitResult:
    """What a fit ends with. history: one record a round · rows_seen: rows of all passes · seconds: wall time."""

    state: FitState
    posterior: Posterior
    statistics: GaussianStatistics
    logged_products: NDArray[np.bool_]
    log_likelihood: float
    rows_seen: int
    seconds: float
    history: tuple[dict[str, float], ...]


def pool_average(tables: ContentTables, values: Weights) -> Weights:
    """Mean of `values` [element + 1] over the pools each element stands in [element + 1]; 0 for an element in none."""
    by_pool = tables.pool_mean_of(values).ravel()
    owners = np.bincount(tables.pool_elements, minlength=len(values))
    total = np.bincount(tables.pool_elements, weights=by_pool[tables.pool_owner], minlength=len(values))
    return np.asarray(total / np.maximum(owners, 1))


class AdditiveFit:
    """The rounds of one fit. `run` returns the result; a pass costs about 0.3 s per million rows."""

    def __init__(
        self,
        log: EncodedLog,
        layout: TermLayout,
        tables: ContentTables,
        product_features: NDArray[np.float32],
        spectrum: list[NDArray[np.float32]],
        config: RewardModelConfig,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        if len(log) == 0 or float(log.trials.sum()) <= 0:
            raise DataError("The log has no impressions to learn from: found 0 rows with num_impressions > 0.")
        self.log, self.layout, self.tables, self.config = log, layout, tables, config
        self.spectrum, self.seed = spectrum, seed
        self.progress = progress or (lambda stage, values: None)
        self.design = np.column_stack([np.ones(len(product_features)), product_features]).astype(np.float64)
        self.logged = np.bincount(log.product, weights=log.trials, minlength=log.num_products) > 0
        self._reward = np.bincount(log.group, weights=log.reward, minlength=log.num_groups)
        self.rows_seen = 0
        self.supported = 0.0
        self.history: list[dict[str, float]] = []

    def initial(self) -> FitState:
        total, clicks = float(self.log.trials.sum(dtype=np.float64)), float(self.log.reward.sum(dtype=np.float64))
        base = float(np.log((clicks + 0.5) / (total - clicks + 0.5)))
        weights = np.zeros(self.design.shape[1])
        weights[0] = base
        return FitState(
            theta=np.zeros(self.layout.num_weights),
            product_logit=np.full(self.log.num_products, base),
            product_weights=weights,
            product_variance=0.3,
            context_weights=np.zeros(self.log.contexts.shape[1]),
            element_effect=np.zeros(self.tables.latents.shape[0]),
            element_curvature=np.zeros(self.tables.latents.shape[0]),
            element_variance=0.0,
        )

    def run(self) -> FitResult:
        started = time.perf_counter()
        state, halved = self.initial(), False
        self._settle_levels(state)
        information = self._information(state, self.config.curvature_rows // 4)
        posterior, statistics, previous = None, None, -np.inf
        for round_number in range(self.config.max_rounds):
            elements_turn = self.config.element_effects and round_number >= 3 and round_number % 2 == 1
            result = self._pass(state, with_elements=elements_turn)
            before = replace(state)
            if elements_turn:
                self._update_elements(state, result)
            else:
                learn = round_number in (0, 2) or halved
                if learn and round_number:
                    information = self._information(state, self.config.curvature_rows)
                statistics = GaussianStatistics(information, result.gradient + information @ state.theta)
                posterior = self._update_weights(state, statistics, learn=learn, explore=round_number == 0)
            assert posterior is not None
            halved = self._settle_uphill(state, before, result.log_likelihood, posterior.prior_variance) or (
                halved and elements_turn
            )
            gain = result.log_likelihood - previous
            previous = result.log_likelihood
            self.history.append(
                {"round": round_number, "log_likelihood": previous, "seconds": time.perf_counter() - started}
            )
            self.progress("reward model", self.history[-1])
            if round_number >= 5 and abs(gain) < 2e-6 * abs(previous):
                break
        for _ in range(2):
            self._update_appeal(state, self._pass(state), shrink=True)
        assert posterior is not None and statistics is not None
        posterior = self._with_averaged_width(state, statistics, posterior)
        seconds = time.perf_counter() - started
        return FitResult(
            state, posterior, statistics, self.logged, previous, self.rows_seen, seconds, tuple(self.history)
        )

    def appeal_of(self, state: FitState) -> Weights:
        """Appeal logit of every group [group]."""
        context = self.log.contexts @ state.context_weights
        return state.product_logit[self.log.group_product] + context[self.log.group_context]

    def model(self, state: FitState) -> AdditiveModel:
        effect = state.element_effect if state.element_effect.any() else None
        return AdditiveModel(self.layout, self.tables, self.log, state.theta, effect)

    def _pass(self, state: FitState, with_elements: bool = False) -> PassResult:
        self.rows_seen += len(self.log)
        return self.model(state).run(self.appeal_of(state), with_elements)

    def _information(self, state: FitState, num_rows: int) -> Weights:
        rows, share, whole_products = self._curvature_sample(num_rows)
        self.rows_seen += len(rows)
        precision = None
        if self.config.appeal:
            precision = (1.0 if whole_products else share) / FREE_VARIANCE
        return self.model(state).curvature(self.appeal_of(state), rows, precision) / share

    def _curvature_sample(self, num_rows: int) -> tuple[NDArray[np.int64], float, bool]:
        """Rows to take the information from, their share of the log, and whether they hold products whole.

        Rows are drawn where some tens of each product come out: what product effects take away is then off by a few
        per cent at most. Else whole products are drawn.
        """
        total = len(self.log)
        rng = stream(self.seed, "curvature")
        if total <= num_rows:
            return np.arange(total), 1.0, True
        if num_rows / max(int(self.logged.sum()), 1) >= 20:
            return np.sort(rng.choice(total, num_rows, replace=False)), num_rows / total, False
        chosen = rng.random(self.log.num_products) < num_rows / total
        rows = np.flatnonzero(chosen[self.log.product])
        if not len(rows):
            rows = np.sort(rng.choice(total, num_rows, replace=False))
        return rows, float(self.log.trials[rows].sum() / self.log.trials.sum()), True

    def _update_weights(self, state: FitState, statistics: GaussianStatistics, learn: bool, explore: bool) -> Posterior:
        if not self.layout.num_weights:
            return Posterior(np.zeros(0), np.zeros((0, 0)), np.zeros(0), {}, 0.0)
        if learn:
            rounds = 60 if self.layout.num_weights <= 1500 else 20
            if explore and self._varied_spectrum():
                trials = [
                    (fit_evidence(statistics, self.layout, self.spectrum, e, {}, 6, progress=self._working), e)
                    for e in (0.0, 0.5, 1.0)
                ]
                best, state.exponent = max(trials, key=lambda fit: fit[0].evidence)
                state.block_variance = best.block_variance
            posterior = fit_evidence(
                statistics,
                self.layout,
                self.spectrum,
                state.exponent,
                state.block_variance,
                rounds,
                progress=self._working,
            )
            state.block_variance = posterior.block_variance
        else:
            posterior = solve_with(statistics, self.layout, self.spectrum, state.exponent, state.block_variance)
        state.theta = posterior.mean
        self.supported = posterior.mean.size - float(
            (np.diagonal(posterior.covariance) / posterior.prior_variance).sum()
        )
        return posterior

    def _with_averaged_width(self, state: FitState, statistics: GaussianStatistics, posterior: Posterior) -> Posterior:
        """The posterior at the learned prior scales, but for its covariance: that is at averaged scales."""
        if not self.layout.num_weights:
            return posterior
        scales = averaged_scales(posterior, self.layout, self.spectrum, state.exponent)
        wide = solve_with(statistics, self.layout, self.spectrum, state.exponent, scales)
        return replace(posterior, covariance=wide.covariance)

    def _working(self) -> None:
        self.progress("prior scales", {"weights": self.layout.num_weights})

    def _varied_spectrum(self) -> bool:
        return any(len(s) > 1 and float(s.min()) < 0.9 for s in self.spectrum)

    def _settle_levels(self, state: FitState) -> float:
        """Levels at their optimum: the next step of the weights takes for granted that they are. Returns the
        log-likelihood before the last of the level steps.

        What a selective policy lifts alike in all products is known of weights only through differences within
        products; a rest of gradient in the levels, taken for knowledge of weights, would throw that direction far off.
        """
        for _ in range(MAX_LEVEL_PASSES):
            before, result = state.product_logit, self._pass(state)
            self._update_appeal(state, result)
            moved = (state.product_logit - before)[self.logged]
            information = self._by_product(result.group_curvature)[self.logged]
            if float((information * moved**2).mean()) < SETTLED:
                break
        return result.log_likelihood

    def _settle_uphill(self, state: FitState, before: FitState, likelihood: float, prior_variance: Weights) -> bool:
        """Settle the levels after a step from `before`, of log-likelihood `likelihood`. A step that has lowered the
        penalised likelihood is halved until it has not, or taken back. Returns whether it was."""
        element_precision = 1.0 / max(state.element_variance, 1e-9)

        def penalty(at: FitState) -> float:
            return 0.5 * float((at.theta**2 / prior_variance).sum() + element_precision * (at.element_effect**2).sum())

        least = likelihood - penalty(before) - DROP * abs(likelihood)
        for halving in range(MAX_HALVINGS + 1):
            if self._settle_levels(state) - penalty(state) >= least:
                return halving > 0
            share = 0.5 if halving < MAX_HALVINGS - 1 else 0.0
            state.theta = before.theta + share * (state.theta - before.theta)
            state.element_effect = before.element_effect + share * (state.element_effect - before.element_effect)
            state.product_logit, state.product_weights = before.product_logit, before.product_weights
            state.context_weights = before.context_weights
        return True

    def _by_product(self, values: Weights) -> Weights:
        """Sums [product] of values [group]."""
        sums = np.bincount(self.log.group_product, weights=values, minlength=self.log.num_products)
        return np.asarray(sums, dtype=np.float64)

    def _update_appeal(self, state: FitState, result: PassResult, shrink: bool = False) -> None:
        """Exact-ish Newton for product and context effects, the rest held.

        Between passes the expected rewards of a group move along one logistic curve of its curvature: as exp(change)
        where rewards are rare. Levels of products are free, or shrunk towards what their features predict
        (`product_levels`)."""
        log = self.log
        curvature = np.maximum(result.group_curvature, 1e-9)
        expected = np.maximum(self._reward - result.group_residual, curvature)
        odds = expected / curvature - 1

        def moved_by(change: Weights) -> tuple[Weights, Weights]:
            factor = np.exp(np.clip(change, -2, 2))
            later = expected * factor * (1 + odds) / (1 + odds * factor)
            return self._reward - later, later / (1 + odds * factor)

        change = np.zeros(log.num_groups)
        for _ in range(6):
            if log.contexts.shape[1]:
                step = self._context_step(*moved_by(change))
                state.context_weights = state.context_weights + step
                change += (log.contexts @ step)[log.group_context]
            before = state.product_logit
            self._product_step(state, *moved_by(change), shrink)
            change += (state.product_logit - before)[log.group_product]

    def _context_step(self, residual: Weights, weight: Weights) -> Weights:
        by_context = [
            np.bincount(self.log.group_context, weights=v, minlength=len(self.log.contexts)) for v in (residual, weight)
        ]
        contexts = self.log.contexts.astype(np.float64)
        information = contexts.T @ (by_context[1][:, None] * contexts) + np.eye(contexts.shape[1])
        return np.clip(np.linalg.solve(information, contexts.T @ by_context[0]), -1, 1)

    def _product_step(self, state: FitState, residual: Weights, weight: Weights, shrink: bool) -> None:
        gradient, curvature = self._by_product(residual), self._by_product(weight)
        if not self.config.appeal:
            step = np.clip(gradient.sum() / max(curvature.sum(), 1e-9), -1, 1)
            state.product_logit = state.product_logit + step
            state.product_weights = np.zeros(self.design.shape[1])
            state.product_weights[0] = state.product_logit[0]
            return
        curvature = np.where(self.logged, curvature, 0.0)
        if shrink:
            state.product_variance = learned_variance(
                state.product_logit, gradient, curvature, self.design, state.product_variance
            )
        variance = state.product_variance if shrink else FREE_VARIANCE
        state.product_logit, state.product_weights = level_step(
            state.product_logit, gradient, curvature, self.design, variance
        )

    def _update_elements(self, state: FitState, result: PassResult) -> None:
        assert result.element_residual is not None and result.element_curvature is not None
        curvature = result.element_curvature.copy()
        effect = state.element_effect - pool_average(self.tables, state.element_effect)
        residual = result.element_residual + curvature * effect
        curvature[-1] = residual[-1] = 0.0
        state.element_variance = variance_component(residual, curvature, self._kept(state, result, curvature))
        state.element_curvature = curvature
        precision = 1.0 / max(state.element_variance, 1e-9)
        state.element_effect = residual / (curvature + precision)

    def _kept(self, state: FitState, result: PassResult, curvature: Weights) -> Weights:
        """Share of each element's score variance that product effects and weights left in it [element + 1]."""
        num_slots = self.layout.num_slots
        by_product = self._by_product(result.group_curvature)
        shown_in = np.bincount(
            self.tables.pool_elements,
            weights=by_product[self.tables.pool_owner // num_slots],
            minlength=len(curvature),
        )
        trust = shown_in / (shown_in + 1.0 / FREE_VARIANCE) if self.config.appeal else np.zeros(len(curvature))
        spent = trust * curvature / np.maximum(shown_in, curvature + 1e-12)
        weights_share = min(self.supported / max(int((curvature > 0).sum()), 1), 0.5)
        return np.asarray(np.clip((1.0 - spent) * (1.0 - weights_share), 1e-3, 1.0))
