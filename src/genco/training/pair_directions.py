"""Which directions of wide content pair effects should read: learned from the log, then frozen.

Pair effects have a weight for every pair of directions, so of wide content (texts) they can read a few directions only,
and those in which texts differ most are not those that matter together. So a factorised model is fitted first
(`models.factorised_pairs`, by Adam), its directions become the first latents of their kind of content, and everything
after that, weights, prior scales, posterior and attribution, is as exact as before. Held-out rows decide whether to.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from genco.data.encoded_log import EncodedLog
from genco.models.additive import ContentTables
from genco.models.factorised_pairs import FactorisedPairs
from genco.rng import stream
from genco.runtime.projection import KindProjection
from genco.runtime.terms import TermLayout

MAX_ROWS, MAX_REWARDED, MAX_HELD_OUT = 600_000, 150_000, 100_000
MIN_EPOCHS, MAX_EPOCHS, ROWS_TO_SEE = 5, 12, 3_000_000
MIN_BATCH, MAX_BATCH, STEPS = 256, 4_096, 700
LEARNING_RATE, WARM_UP = 0.005, 0.2
SMOOTHING, SHORTEST = 2.0, 1e-3
PRECISIONS = 5_000.0, 300.0  # of pair weights: weak effects of many rows, and strong ones
Progress = Callable[[str, dict[str, float]], None]


@dataclass(frozen=True)
class PairDirections:
    """directions: by kind of content, orthonormal columns [rank, pair_rank], strongest first; empty where they were
    not kept or nothing is wide · length: by kind, how strongly each was read [pair_rank] · precision: of the prior of
    pair weights they were found under · gain: held-out log-likelihood that pair effects add, in nats · error: its
    standard error · rows_seen · seconds: wall time."""

    directions: dict[int, NDArray[np.float32]]
    length: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    precision: float = PRECISIONS[0]
    gain: float = 0.0
    error: float = 0.0
    rows_seen: int = 0
    seconds: float = 0.0

    def lead(self, projections: tuple[KindProjection, ...]) -> tuple[KindProjection, ...]:
        """The projections with the learned directions as first latents."""
        return tuple(
            projection.led_by(self.directions[kind]) if kind in self.directions else projection
            for kind, projection in enumerate(projections)
        )

    def pair_priors(self, layout: TermLayout) -> dict[str, NDArray[np.float64]]:
        """Prior variances [size], by block, of the weights of pairs that read learned directions.

        Those under which the directions were found, in their basis. Marginal likelihood would take the directions for
        given and find scales twice as wide: directions were chosen so that, on these very rows, pairs explain much.
        """
        found = {}
        for block in layout.blocks:
            kinds = [layout.component_kind[owner] for owner in block.owners]
            if block.kind == "pair" and any(kind in self.length for kind in kinds):
                read = [
                    self.length.get(kind, np.ones(num)).astype(np.float64) ** 2
                    for kind, num in zip(kinds, block.shape, strict=True)
                ]
                found[block.name] = np.outer(read[0], read[1]).ravel() / self.precision
        return found


def learn_pair_directions(
    train: EncodedLog,
    held_out: EncodedLog,
    tables: ContentTables,
    layout: TermLayout,
    seed: int,
    progress: Progress,
    force: bool = False,
) -> PairDirections:
    """Learn the directions of every kind of content of which pair effects read only a part.

    Of `PRECISIONS` the one is taken whose pair effects gain most on held-out rows; directions are kept where that is
    more than two standard errors and one nat, or `force`.
    """
    if not layout.slot_pairs or not train.trials.any() or not (force or len(held_out)):
        return PairDirections({})
    started, seen = time.perf_counter(), 0
    rows, weight = _sample(train, seed)
    found = []
    for precision in PRECISIONS if len(held_out) else PRECISIONS[:1]:
        torch.manual_seed(int(stream(seed, "pair directions").integers(2**31)))
        model = FactorisedPairs(layout, torch.from_numpy(_levels(train)), precision)
        if not model.directions or not any(weights.numel() for weights in model.pairs.values()):
            return PairDirections({})
        seen += _fit(model, train.take(rows), weight, tables, seed, progress)
        found.append((*_gain(model, held_out, tables, seed), model))
    gain, error, model = max(found, key=lambda each: each[0])
    kept = model.directions.items() if force or gain > max(2.0 * error, 1.0) else ()
    axes = {int(kind): _axes(weights) for kind, weights in kept}
    directions, length = ({kind: pair[part] for kind, pair in axes.items()} for part in range(2))
    return PairDirections(directions, length, model.precision, gain, error, seen, time.perf_counter() - started)


def _levels(log: EncodedLog) -> NDArray[np.float32]:
    """Logit of each product's smoothed rate of rewards [product]."""
    trials, reward = (np.bincount(log.product, values, log.num_products) for values in (log.trials, log.reward))
    rate = np.clip(reward.sum() / trials.sum(), 1e-6, 0.5)
    smoothed = np.clip((reward + SMOOTHING) / (trials + SMOOTHING / rate), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(smoothed / (1 - smoothed)), dtype=np.float32)


def _sample(log: EncodedLog, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows to learn from and what each stands for: all, or up to `MAX_ROWS`, rewarded rows first (case-control)."""
    rng = stream(seed, "pair directions", "rows")
    strata = np.flatnonzero(log.reward > 0), np.flatnonzero(log.reward <= 0)
    rewarded = min(len(strata[0]), max(MAX_REWARDED, MAX_ROWS - len(strata[1])))
    sizes = rewarded, min(len(strata[1]), MAX_ROWS - rewarded)
    rows = [rng.choice(part, size, replace=False) for part, size in zip(strata, sizes, strict=True)]
    weight = [np.full(size, len(part) / max(size, 1)) for part, size in zip(strata, sizes, strict=True)]
    return np.concatenate(rows), np.concatenate(weight).astype(np.float32)


def _fit(
    model: FactorisedPairs,
    log: EncodedLog,
    weight: NDArray[np.float32],
    tables: ContentTables,
    seed: int,
    progress: Progress,
) -> int:
    """Maximise the posterior density by Adam with one cycle of the step size. Returns the number of rows seen."""
    num_rows = len(log)
    epochs = int(np.clip(ROWS_TO_SEE // num_rows, MIN_EPOCHS, MAX_EPOCHS))
    batch = min(int(np.clip(epochs * num_rows // STEPS, MIN_BATCH, MAX_BATCH)), num_rows)
    steps = num_rows // batch
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=epochs * steps, pct_start=WARM_UP
    )
    for epoch in range(epochs):
        order = stream(seed, "pair directions", epoch).permutation(num_rows)
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            alone, pair = model(*_inputs(log, chosen, tables))
            likelihood = _likelihood(alone + pair, log, chosen) @ torch.from_numpy(weight[chosen])
            loss = model.penalty() / num_rows - likelihood / batch
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
        progress("pair directions", {"epoch": epoch + 1, "of": epochs})
    return epochs * steps * batch


def _inputs(log: EncodedLog, rows: NDArray[np.int64], tables: ContentTables) -> tuple[Tensor, Tensor, Tensor]:
    """Latents [batch, slot, rank], products [batch] and contexts [batch, num_context] of `rows`."""
    group = log.group[rows]
    latents = torch.from_numpy(tables.latents)[torch.from_numpy(log.combination[rows])]
    product = torch.from_numpy(log.group_product[group])
    return latents, product, torch.from_numpy(log.contexts[log.group_context[group]])


def _likelihood(logit: Tensor, log: EncodedLog, rows: NDArray[np.int64]) -> Tensor:
    """Log-likelihood of each of `rows` at its logit [batch]."""
    return torch.from_numpy(log.reward[rows]) * logit - torch.from_numpy(log.trials[rows]) * F.softplus(logit)


@torch.no_grad()
def _gain(model: FactorisedPairs, log: EncodedLog, tables: ContentTables, seed: int) -> tuple[float, float]:
    """Held-out log-likelihood that pair effects (less their value at the pool's mean elements) add, and its standard
    error."""
    rows = np.arange(len(log))
    if len(log) > MAX_HELD_OUT:
        rows = np.sort(stream(seed, "pair directions", "held out").choice(len(log), MAX_HELD_OUT, replace=False))
    gains = [torch.zeros(0)]
    average = model.pair(model.read(torch.from_numpy(tables.pool_mean)))
    for start in range(0, len(rows), MAX_BATCH):
        chosen = rows[start : start + MAX_BATCH]
        inputs = _inputs(log, chosen, tables)
        alone, pair = model(*inputs)
        without = _likelihood(alone + average[inputs[1]], log, chosen)
        gains.append(_likelihood(alone + pair, log, chosen) - without)
    gain = torch.cat(gains).double()
    return float(gain.sum()), float(gain.std() * len(gain) ** 0.5) if len(gain) > 1 else 0.0


def _axes(weights: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Orthonormal columns [rank, pair_rank] that span those of `weights`, and their lengths [pair_rank]."""
    left, length, _ = np.linalg.svd(weights.detach().numpy(), full_matrices=False)
    return np.asarray(left, dtype=np.float32), np.maximum(length, SHORTEST).astype(np.float32)
