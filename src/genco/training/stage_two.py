"""Stage 2 from a dataset: encode, fit, decide on the residual, calibrate. Returns a frozen `RewardModel`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.data.encoded_log import EncodedLog
from genco.data.features import TextEncoder
from genco.data.same_content import content_keys
from genco.data.splits import Split
from genco.models.additive import AdditiveModel, ContentTables
from genco.runtime.calibration import fit_calibration
from genco.runtime.encoding import EncodedCatalogue, Encoders, encode_log, fit_encoders, fit_projections
from genco.runtime.projection import KindProjection
from genco.runtime.residual import AttentionResidualArrays
from genco.runtime.reward_model import Appeal, RewardModel, project_content, reference_pools
from genco.runtime.terms import TermLayout
from genco.storage.dataset import Dataset
from genco.training.exposure import Exposure
from genco.training.pair_directions import PairDirections, learn_pair_directions
from genco.training.reading_noise import reading_noise
from genco.training.residual_loop import ResidualFit, fit_residual, residual_values
from genco.training.reward_model_config import RewardModelConfig
from genco.training.reward_model_loop import AdditiveFit, FitResult
from genco.training.shared_effects import content_classes

MAX_PAIR_WEIGHTS = 2_000
MIN_OWN_RANK, MAX_OWN_WEIGHTS = 64, 768
Progress = Callable[[str, dict[str, float]], None]


@dataclass(frozen=True)
class StageTwo:
    """A fitted reward model and what was measured on the way. contexts: [context, num_context] distinct encoded
    contexts, context_share: how often each was logged · element_trials, element_reward: [element] impressions and
    rewards in the log · log: the rows trained on."""

    model: RewardModel
    encoders: Encoders
    encoded: EncodedCatalogue
    contexts: NDArray[np.float32]
    context_share: NDArray[np.float64]
    element_trials: NDArray[np.float64]
    element_reward: NDArray[np.float64]
    log: EncodedLog
    measured: dict[str, Any]
    curve: tuple[dict[str, float], ...]


def fit_stage_two(
    dataset: Dataset,
    split: Split,
    config: RewardModelConfig,
    text: TextEncoder | None,
    seed: int,
    progress: Progress,
) -> StageTwo:
    """Train stage 2 on the rows `split` leaves for training; the held-out rows calibrate it."""
    catalogue = dataset.catalogue
    sample = dataset.sample(100_000, seed)
    encoders, encoded, _ = fit_encoders(catalogue, sample.context, text)
    projections = fit_projections(encoded, encoders, _own_rank(encoders, config))
    layout = _layout(catalogue, encoders, projections, config)
    tables = _tables(encoded, projections)

    train, held_out = encode_log(
        dataset,
        encoders,
        catalogue,
        lambda batch: split.held_out(batch, catalogue),
        config.propensity_clip,
        _counter(progress, dataset),
    )
    learned = _pair_directions(train, held_out, tables, layout, config, seed, progress)
    if learned.directions:
        projections = learned.lead(projections)
        tables = _tables(encoded, projections)
    spectrum = [
        projections[kind].spectrum[: max(r, 1)] for kind, r in zip(encoders.kinds, layout.own_rank, strict=True)
    ]
    keys = content_keys(catalogue)
    content = content_classes(keys)
    exposure = Exposure.of(train, tables, layout, config.exposure_control, frozenset(encoders.identities))
    wide, wide_tables = exposure.extend(layout, tables)
    fit = AdditiveFit(
        train,
        wide,
        wide_tables,
        encoded.products,
        exposure.extend_spectrum(spectrum),
        config,
        seed,
        progress,
        content,
        learned.pair_priors(layout),
    )
    result = exposure.settle(fit.run(), layout, tables)
    fit = AdditiveFit(train, layout, tables, encoded.products, spectrum, config, seed, progress)
    noise = reading_noise(fit.model(result.state), tables, fit.appeal_of(result.state), learned.length, seed)
    projections = tuple(projection.read_with(noise.get(kind)) for kind, projection in enumerate(projections))
    model = _reward_model(catalogue, layout, projections, tables, result, keys)
    residual = _fit_residual(fit, result, train, held_out, tables, config, seed)
    if residual.residual is not None:
        arrays = {name: values.detach().numpy() for name, values in residual.residual.named_parameters()}
        model = replace(model, residual=AttentionResidualArrays(arrays))
    model = replace(model, calibration=_calibrate(fit, result, held_out, tables, residual))
    share = _context_counts(train) + _context_counts(held_out)
    measured = {
        "rows_seen": result.rows_seen + residual.rows_seen + learned.rows_seen,
        "seconds": result.seconds + learned.seconds,
        "train_rows": len(train),
        "held_out_rows": len(held_out),
        "log_likelihood": result.log_likelihood,
        "num_weights": layout.num_weights,
        "pair_directions_learned": bool(learned.directions),
        "pair_directions_gain": learned.gain,
        "pair_directions_gain_error": learned.error,
        "residual_kept": residual.residual is not None,
        "residual_gain": residual.gain,
        "residual_gain_error": residual.error,
        "content_exponent": result.state.exponent,
        "element_effect_share": result.state.element_share,
        "element_effect_sd": float(np.sqrt(result.state.element_variance)),
        "block_sd": {name: float(np.sqrt(value)) for name, value in result.state.block_variance.items()},
    }
    trials, reward = (a + b for a, b in zip(_element_counts(train), _element_counts(held_out), strict=True))
    return StageTwo(
        model, encoders, encoded, train.contexts, share / share.sum(), trials, reward, train, measured, result.history
    )


def _tables(encoded: EncodedCatalogue, projections: tuple[KindProjection, ...]) -> ContentTables:
    rank = max((p.rank for p in projections), default=0)
    latents = project_content(projections, encoded.content, encoded.kinds, rank)
    return ContentTables(latents, *reference_pools(encoded.catalogue, latents))


def _pair_directions(
    train: EncodedLog,
    held_out: EncodedLog,
    tables: ContentTables,
    layout: TermLayout,
    config: RewardModelConfig,
    seed: int,
    progress: Progress,
) -> PairDirections:
    if not config.pair or config.pair_directions == "off":
        return PairDirections({})
    return learn_pair_directions(train, held_out, tables, layout, seed, progress, config.pair_directions == "on")


def _context_counts(log: EncodedLog) -> NDArray[np.float64]:
    """Impressions in every context [context]."""
    counts = np.bincount(log.group_context[log.group], weights=log.trials, minlength=len(log.contexts))
    return np.asarray(counts, dtype=np.float64)


def _element_counts(log: EncodedLog) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Impressions and rewards of every element [element], over all slots."""
    trials, reward = (
        sum(
            np.bincount(log.combination[:, slot], weights=values, minlength=log.num_elements + 1)
            for slot in range(log.combination.shape[1])
        )
        for values in (log.trials, log.reward)
    )
    return np.asarray(trials)[:-1], np.asarray(reward)[:-1]


def _layout(
    catalogue: Catalogue, encoders: Encoders, projections: tuple[KindProjection, ...], config: RewardModelConfig
) -> TermLayout:
    index = {name: i for i, name in enumerate(catalogue.components)}
    ranks = [projections[kind].rank for kind in encoders.kinds]
    identity = [name in encoders.identities for name in catalogue.components]
    slot_component = tuple(index[slot.component] for slot in catalogue.slots)
    optional = [
        any(not slot.required for slot in catalogue.slots if slot.component == name) for name in catalogue.components
    ]
    return TermLayout(
        slot_component=slot_component,
        component_names=catalogue.components,
        component_kind=encoders.kinds,
        own_rank=tuple(ranks),
        pair_rank=_pair_ranks(slot_component, ranks, identity, config.max_pair_rank),
        optional=tuple(optional),
        num_context=encoders.context.dim,
        own=config.own,
        pair=config.pair,
        context=config.context,
        own_context=config.own_context,
    )


def _own_rank(encoders: Encoders, config: RewardModelConfig) -> int:
    """Upper bound of the content dimensions: what `max_own_rank` says, less where each has a weight per context column
    too."""
    affordable = MAX_OWN_WEIGHTS // (1 + encoders.context.dim * config.context)
    return min(config.max_own_rank, max(affordable, MIN_OWN_RANK))


def _pair_ranks(
    slot_component: tuple[int, ...], ranks: list[int], identity: list[bool], max_pair_rank: int
) -> tuple[int, ...]:
    """Dimensions of each component in pair terms.

    A component that is its own content is there with every element; while pairs would take more than `MAX_PAIR_WEIGHTS`
    weights, the largest such component is left out of them.
    """
    found = [rank if own else min(rank, max_pair_rank) for rank, own in zip(ranks, identity, strict=True)]
    pairs = {tuple(sorted(pair)) for pair in combinations(slot_component, 2)}
    while sum(found[a] * found[b] for a, b in pairs) > MAX_PAIR_WEIGHTS:
        paired = {component for pair in pairs for component in pair}
        left = [component for component in paired if identity[component] and found[component]]
        if not left:
            break
        found[max(left, key=lambda component: found[component])] = 0
    return tuple(found)


def _counter(progress: Progress, dataset: Dataset) -> Callable[[int], None]:
    started, seen = time.perf_counter(), 0

    def count(rows: int) -> None:
        nonlocal seen
        seen += rows
        progress("reading", {"rows": seen, "of": dataset.num_rows, "seconds": time.perf_counter() - started})

    return count


def _reward_model(
    catalogue: Catalogue,
    layout: TermLayout,
    projections: tuple[KindProjection, ...],
    tables: ContentTables,
    result: FitResult,
    keys: list[str | None],
) -> RewardModel:
    state = result.state
    product_ids = catalogue.products["product_id"].to_list()
    logged = set(np.flatnonzero(result.logged_products).tolist())
    effects: dict[str, tuple[float, float]] = {}
    shared: dict[str, tuple[float, float]] = {}
    pool_effect = np.zeros_like(tables.pool_empty)
    if state.element_variance > 0 or state.element_effect.any():
        pool_effect = tables.pool_mean_of(state.element_effect)
        ids = catalogue.elements["element_id"].to_list()
        seen = np.flatnonzero((state.element_curvature[:-1] > 0) | (state.element_effect[:-1] != 0))
        effects = {ids[i]: (float(state.element_effect[i]), float(state.shared.variance[i])) for i in seen}
        if state.element_share > 0:
            mean, own = state.shared.shared, (1 - state.element_share) * state.element_variance
            known = [(key, i) for i, key in enumerate(keys) if key is not None and state.element_curvature[i] > 0]
            shared = {key: (float(mean[i]), float(state.shared.shared_variance[i] + own)) for key, i in known}
    return RewardModel(
        layout=layout,
        projections=projections,
        theta=state.theta.astype(np.float32),
        covariance=result.posterior.covariance.astype(np.float32),
        appeal=Appeal(
            state.product_weights.astype(np.float32),
            state.context_weights.astype(np.float32),
            {product_ids[row]: float(state.product_logit[row]) for row in sorted(logged)},
            state.product_variance,
        ),
        element_effect=effects,
        element_variance=state.element_variance,
        shared_effect=shared,
        reference_pool={
            p: (tables.pool_mean[i], tables.pool_empty[i], pool_effect[i]) for i, p in enumerate(product_ids)
        },
        block_variance=dict(result.posterior.block_variance),
    )


def _fit_residual(
    fit: AdditiveFit,
    result: FitResult,
    train: EncodedLog,
    held_out: EncodedLog,
    tables: ContentTables,
    config: RewardModelConfig,
    seed: int,
) -> ResidualFit:
    if config.residual == "off" or (config.residual == "auto" and len(held_out) == 0):
        return ResidualFit(None, 0.0, 0.0, 0)
    judged = AdditiveModel(fit.layout, tables, held_out, result.state.theta, result.state.element_effect)
    force = config.residual == "on"
    calibration = _calibrate(fit, result, held_out, tables, ResidualFit(None, 0.0, 0.0, 0))
    return fit_residual(fit.model(result.state), fit.appeal_of(result.state), judged, tables, seed, calibration, force)


def _calibrate(
    fit: AdditiveFit, result: FitResult, held_out: EncodedLog, tables: ContentTables, residual: ResidualFit
) -> tuple[float, float]:
    """Slope on the uplift and intercept on the logit, from held-out rows, shrunk towards (1, 0)."""
    if len(held_out) == 0:
        return 1.0, 0.0
    judged = AdditiveModel(fit.layout, tables, held_out, result.state.theta, result.state.element_effect)
    uplift = np.concatenate(
        [judged.uplift_of(held_out.take(slice(i, i + 65_536))).numpy() for i in range(0, len(held_out), 65_536)]
    )
    if residual.residual is not None:
        uplift = uplift + residual_values(residual.residual, held_out, tables)
    appeal = fit.appeal_of(result.state)[held_out.group]
    return fit_calibration(appeal, uplift, held_out.trials, held_out.reward)
