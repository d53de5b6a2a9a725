"""Fitting stage 2: a handful of Newton passes over the log, prior scales by marginal likelihood.

One round = one pass for the gradient of everything, then exact updates of the appeal part (per product and context)
and of the creative weights (one dense solve). The information matrix is taken from a subsample of rows and scaled up:
it sets the step and the posterior width, never the optimum.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from genco.data.encoded_log import EncodedLog
from genco.errors import DataError
from genco.models.additive import AdditiveModel, ContentTables, PassResult
from genco.models.evidence import (
    GaussianStatistics,
    Known,
    Posterior,
    averaged_scales,
    fit_evidence,
    held_out_factor,
    solve_with,
)
from genco.rng import stream
from genco.runtime.terms import TermLayout
from genco.training.appeal_steps import context_step, moving_rewards
from genco.training.curvature_sample import chosen_products, curvature_sample
from genco.training.element_effects import ElementEffects
from genco.training.product_levels import FREE_VARIANCE, learned_variance, level_penalty, level_step
from genco.training.reward_model_config import RewardModelConfig
from genco.training.shared_effects import SharedEffects

SPREAD_ROWS, NUM_PARTS = 2_000_000, 5
FIRST_ELEMENTS = 3
MAX_LEVEL_PASSES, MAX_ELEMENT_PASSES, SETTLED = 4, 12, 0.1
MAX_HALVINGS, DROP = 6, 1e-5
Weights = NDArray[np.float64]
Progress = Callable[[str, dict[str, float]], None]


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
    element_share: float
    shared: SharedEffects
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
        content: NDArray[np.int64] | None = None,
        known: Known | None = None,
    ) -> None:
        if len(log) == 0 or float(log.trials.sum()) <= 0:
            raise DataError("The log has no impressions to learn from: found 0 rows with num_impressions > 0.")
        self.log, self.layout, self.tables, self.config = log, layout, tables, config
        self.spectrum, self.seed, self.known = spectrum, seed, known
        self.progress = progress or (lambda stage, values: None)
        self.design = np.column_stack([np.ones(len(product_features)), product_features]).astype(np.float64)
        self.logged = np.bincount(log.product, weights=log.trials, minlength=log.num_products) > 0
        reward = np.bincount(log.group, weights=log.reward, minlength=log.num_groups)
        self._reward: Weights = reward.astype(np.float64)
        self.elements = ElementEffects(tables, layout.num_slots, content, config.appeal)
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
            element_share=0.0,
            shared=SharedEffects(*np.zeros((4, self.tables.latents.shape[0]))),
        )

    def run(self) -> FitResult:
        started = time.perf_counter()
        state, halved = self.initial(), False
        self._settle_levels(state)
        information = self._information(state, self.config.curvature_rows // 4)
        posterior, statistics, previous = None, None, -np.inf
        settled = FIRST_ELEMENTS + 1 if self.config.element_effects else 2
        for round_number in range(self.config.max_rounds):
            elements_turn = self.config.element_effects and round_number >= FIRST_ELEMENTS and round_number % 2 == 1
            result = self._pass(state, with_elements=elements_turn)
            before = replace(state)
            if elements_turn:
                self._update_elements(state, result, learn=round_number <= settled + 1)
            else:
                parts: list[GaussianStatistics] = []
                if round_number == settled or (halved and round_number > settled):
                    parts, share = self._parts(state)
                    information = np.sum([part.information for part in parts], axis=0) / share
                elif halved:
                    information = self._information(state, self.config.curvature_rows)
                statistics = GaussianStatistics(information, result.gradient + information @ state.theta)
                posterior = self._update_weights(state, statistics, learn=halved or round_number in (0, settled))
                if parts:
                    posterior = self._shrink(state, statistics, parts)
            assert posterior is not None
            halved = self._settle_uphill(state, before, result.log_likelihood, posterior.prior_variance) or (
                halved and elements_turn
            )
            if elements_turn:
                self._settle_elements(state)
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
        return AdditiveModel(self.layout, self.tables, self.log, state.theta, self._effect(state))

    def _effect(self, state: FitState) -> Weights | None:
        return state.element_effect if state.element_effect.any() else None

    def _pass(self, state: FitState, with_elements: bool = False) -> PassResult:
        self.rows_seen += len(self.log)
        return self.model(state).run(self.appeal_of(state), with_elements)

    def _parts(self, state: FitState) -> tuple[list[GaussianStatistics], float]:
        """Statistics of `NUM_PARTS` sets of products, from the curvature sample; and its share of the log."""
        rows, share, whole_products = curvature_sample(self.log, self.logged, self.seed, self.config.curvature_rows)
        part_of = stream(self.seed, "parts").integers(NUM_PARTS, size=self.log.num_products)[self.log.product[rows]]
        appeal, parts = self.appeal_of(state), []
        for number in range(NUM_PARTS):
            mine = rows[part_of == number]
            information = self._information_of(state, mine, 1.0 if whole_products else share)
            model = AdditiveModel(self.layout, self.tables, self.log.take(mine), state.theta, self._effect(state))
            gradient = model.run(appeal).gradient
            parts.append(GaussianStatistics(information, gradient + information @ state.theta))
            self.rows_seen += 2 * len(mine)
        return parts, share

    def _shrink(self, state: FitState, statistics: GaussianStatistics, parts: list[GaussianStatistics]) -> Posterior:
        """Prior scales no wider than serves products whose rows did not set the weights."""
        factor = held_out_factor(parts, self.layout, self.spectrum, state.exponent, state.block_variance, self.known)
        state.block_variance = {name: factor * value for name, value in state.block_variance.items()}
        posterior = self._solve(state, statistics, state.block_variance)
        state.theta = posterior.mean
        return posterior

    def _information(self, state: FitState, num_rows: int) -> Weights:
        rows, share, whole_products = curvature_sample(self.log, self.logged, self.seed, num_rows)
        self.rows_seen += len(rows)
        return self._information_of(state, rows, 1.0 if whole_products else share) / share

    def _information_of(self, state: FitState, rows: NDArray[np.int64], scale: float) -> Weights:
        """Information of `rows`; scale: of prior precisions, the share of each product that the rows hold."""
        precision = elements = None
        if self.config.appeal:
            precision = scale / FREE_VARIANCE
            elements = self.elements.precision(state.element_variance, scale)
        return self.model(state).curvature(self.appeal_of(state), rows, precision, elements)

    def _update_weights(self, state: FitState, statistics: GaussianStatistics, learn: bool) -> Posterior:
        if not self.layout.num_weights:
            return Posterior(np.zeros(0), np.zeros((0, 0)), np.zeros(0), {}, 0.0)
        if learn:
            rounds = 60 if self.layout.num_weights <= 1500 else 20
            if self._varied_spectrum():
                trials = [(self._learn(statistics, e, {}, 6), e) for e in (0.0, 0.5, 1.0)]
                best, state.exponent = max(trials, key=lambda fit: fit[0].evidence)
                state.block_variance = best.block_variance
            posterior = self._learn(statistics, state.exponent, state.block_variance, rounds)
            state.block_variance = posterior.block_variance
        else:
            posterior = self._solve(state, statistics, state.block_variance)
        state.theta = posterior.mean
        self.supported = posterior.mean.size - float(
            (np.diagonal(posterior.covariance) / posterior.prior_variance).sum()
        )
        return posterior

    def _learn(
        self, statistics: GaussianStatistics, exponent: float, start: dict[str, float], rounds: int
    ) -> Posterior:
        steps = count(1)

        def step() -> None:
            self.progress("prior scales", {"steps": next(steps), "weights": self.layout.num_weights})

        return fit_evidence(
            statistics, self.layout, self.spectrum, exponent, start, rounds, progress=step, known=self.known
        )

    def _solve(self, state: FitState, statistics: GaussianStatistics, block_variance: dict[str, float]) -> Posterior:
        return solve_with(statistics, self.layout, self.spectrum, state.exponent, block_variance, self.known)

    def _with_averaged_width(self, state: FitState, statistics: GaussianStatistics, posterior: Posterior) -> Posterior:
        """The posterior at the learned prior scales, but for its covariance: that is at averaged scales."""
        if not self.layout.num_weights:
            return posterior
        scales = averaged_scales(posterior, self.layout, self.spectrum, state.exponent, self.known)
        wide = self._solve(state, statistics, scales)
        return replace(posterior, covariance=wide.covariance)

    def _varied_spectrum(self) -> bool:
        return any(len(s) > 1 and float(s.min()) < 0.9 for s in self.spectrum)

    def _settle_levels(self, state: FitState) -> float:
        """Levels at their optimum: the next step of the weights takes for granted that they are. Returns the
        log-likelihood, or what it was before a last small step.

        What a selective policy lifts alike in all products is known of weights only through differences within
        products; a rest of gradient in the levels, taken for knowledge of weights, would throw that direction far off.
        A step that has lowered the penalised likelihood is halved: where almost all rewards are 1, one step of all
        levels overshoots.
        """
        before, least = state, -np.inf
        for number in range(2 * MAX_LEVEL_PASSES):
            result = self._pass(state)
            reached = result.log_likelihood - self._level_penalty(state)
            if reached < least:
                state.product_logit = 0.5 * (before.product_logit + state.product_logit)
                state.product_weights = 0.5 * (before.product_weights + state.product_weights)
                state.context_weights = 0.5 * (before.context_weights + state.context_weights)
                continue
            if number >= MAX_LEVEL_PASSES:
                break
            before, least = replace(state), reached - DROP * abs(result.log_likelihood)
            self._update_appeal(state, result)
            moved = (state.product_logit - before.product_logit)[self.logged]
            information = self._by_product(result.group_curvature)[self.logged]
            if float((information * moved**2).mean()) < SETTLED:
                break
        return result.log_likelihood

    def _level_penalty(self, state: FitState) -> float:
        of_contexts = 0.5 * float((state.context_weights**2).sum())
        if not self.config.appeal:
            return of_contexts
        return of_contexts + level_penalty(state.product_logit[self.logged], self.design[self.logged], FREE_VARIANCE)

    def _settle_uphill(self, state: FitState, before: FitState, likelihood: float, prior_variance: Weights) -> bool:
        """Settle the levels after a step from `before`, of log-likelihood `likelihood`. A step that has lowered the
        penalised likelihood is halved until it has not, or taken back. Returns whether it was."""

        def penalty(at: FitState) -> float:
            effects = self.elements.penalty(at.element_effect, state.element_variance, state.element_share)
            return 0.5 * float((at.theta**2 / prior_variance).sum()) + effects

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

    def _settle_elements(self, state: FitState) -> None:
        """Effects of elements and levels in turns, until they stay: the next step of the weights takes for granted
        that they are at their optimum. Steps are halved where one moves more than the last."""
        size, last = 1.0, np.inf
        for _ in range(MAX_ELEMENT_PASSES):
            before = state.element_effect
            self._element_step(state, self._pass(state, with_elements=True))
            step, seen = state.element_effect - before, state.element_curvature > 0
            moved = float((state.element_curvature * step**2).sum() / max(int(seen.sum()), 1))
            size = size / 2 if moved > last else size
            state.element_effect = before + size * step
            self._settle_levels(state)
            last = moved
            if moved < SETTLED:
                break

    def _by_product(self, values: Weights) -> Weights:
        """Sums [product] of values [group]."""
        sums = np.bincount(self.log.group_product, weights=values, minlength=self.log.num_products)
        return np.asarray(sums, dtype=np.float64)

    def _update_appeal(self, state: FitState, result: PassResult, shrink: bool = False) -> None:
        """Exact-ish Newton for product and context effects, the rest held.

        Levels of products are free, or shrunk towards what their features predict (`product_levels`)."""
        log, moved_by = self.log, moving_rewards(self._reward, result.group_residual, result.group_curvature)
        change = np.zeros(log.num_groups)
        for _ in range(6):
            if log.contexts.shape[1]:
                step = context_step(log.contexts, log.group_context, *moved_by(change))
                state.context_weights = state.context_weights + step
                change += (log.contexts @ step)[log.group_context]
            before = state.product_logit
            self._product_step(state, *moved_by(change), shrink)
            change += (state.product_logit - before)[log.group_product]

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

    def _update_elements(self, state: FitState, result: PassResult, learn: bool) -> None:
        if learn:
            rows = np.flatnonzero(chosen_products(self.log, self.seed, SPREAD_ROWS)[self.log.product])
            units = self.model(state).units(self.appeal_of(state), rows, self.elements.of_one_product)
            by_product = self._by_product(result.group_curvature)
            state.element_variance, state.element_share = self.elements.learned(
                result, state.element_effect, units, by_product, self.supported
            )
        self._element_step(state, result)

    def _element_step(self, state: FitState, result: PassResult) -> None:
        state.shared = self.elements.posterior(
            result, state.element_effect, state.element_variance, state.element_share
        )
        state.element_effect = state.shared.effect
        state.element_curvature = self.elements.scores(result, state.element_effect)[1]
