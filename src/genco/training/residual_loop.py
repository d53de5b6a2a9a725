"""Training the attention residual on top of the fitted additive model, and deciding whether it stays."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from genco.data.encoded_log import EncodedLog
from genco.models.additive import AdditiveModel, ContentTables
from genco.models.mil_pooling import AttentionResidual
from genco.rng import stream

BATCH = 4_096


@dataclass(frozen=True)
class ResidualFit:
    """residual: the trained module, or None when it was not kept · gain: held-out log-likelihood it adds, in nats ·
    error: standard error of the gain · rows_seen."""

    residual: AttentionResidual | None
    gain: float
    error: float
    rows_seen: int


@dataclass(frozen=True)
class _Rows:
    latents: torch.Tensor
    present: torch.Tensor
    context: torch.Tensor
    offset: torch.Tensor
    trials: torch.Tensor
    reward: torch.Tensor


def fit_residual(
    model: AdditiveModel,
    appeal: NDArray[np.floating],
    held_out_model: AdditiveModel,
    tables: ContentTables,
    seed: int,
    calibration: tuple[float, float] = (1.0, 0.0),
    force: bool = False,
    num_rows: int = 131_072,
    num_held_out: int = 100_000,
    max_epochs: int = 2,
) -> ResidualFit:
    """Fit on up to `num_rows` rows, judge on held-out rows. It is kept when the gain exceeds two standard errors and
    one nat, or `force`.

    The additive model is calibrated first, (slope, intercept), so that a residual earns nothing by calibrating it. The
    residual is a part of the uplift, in the same units, so the slope multiplies both, here as in serving:
    logit = appeal + slope * (additive + residual) + intercept.
    """
    torch.manual_seed(int(stream(seed, "residual").integers(2**31)))
    log, held_out = model.log, held_out_model.log
    chosen = _draw(log, num_rows, seed)
    judged = _draw(held_out, num_held_out, seed + 1)
    net = AttentionResidual(model.layout.num_slots, tables.latents.shape[1], log.contexts.shape[1])
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    best, best_gain, best_error, seen = None, 0.0, 0.0, 0
    for epoch in range(max_epochs):
        order = stream(seed, "residual", epoch).permutation(chosen)
        for start in range(0, len(order), BATCH):
            part = _rows(model, appeal, tables, calibration, np.sort(order[start : start + BATCH]))
            logit = part.offset + calibration[0] * net(part.latents, part.present, part.context).sum(1)
            loss = (part.trials * F.softplus(logit) - part.reward * logit).sum() / part.trials.sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            seen += len(part.offset)
        gain, error = _gain(net, held_out_model, appeal, tables, calibration, judged)
        if best is None or gain > best_gain:
            best, best_gain, best_error = copy.deepcopy(net), gain, error
        if gain <= 0:
            break
    keep = force or best_gain > max(2.0 * best_error, 1.0)
    return ResidualFit(best if keep else None, best_gain, best_error, seen)


def _draw(log: EncodedLog, num: int, seed: int) -> NDArray[np.int64]:
    if len(log) <= num:
        return np.arange(len(log))
    return np.sort(stream(seed, "residual rows").choice(len(log), num, replace=False))


@torch.no_grad()
def residual_values(net: AttentionResidual, log: EncodedLog, tables: ContentTables) -> NDArray[np.float32]:
    """Residual of whole combinations [row] for the rows of `log`, in units of the uplift."""
    parts = [np.zeros(0, dtype=np.float32)]
    for start in range(0, len(log), 4 * BATCH):
        parts.append(net(*_inputs(log.take(slice(start, start + 4 * BATCH)), tables)).sum(1).numpy())
    return np.concatenate(parts)


def _inputs(log: EncodedLog, tables: ContentTables) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the residual reads of the rows of `log`: centred latents, which slots show something, contexts."""
    latents = tables.latents[log.combination] - tables.pool_mean[log.product]
    present = log.combination != log.num_elements
    latents = np.where(present[..., None], latents, np.float32(0.0))
    context = log.contexts[log.group_context[log.group]]
    return torch.from_numpy(latents), torch.from_numpy(present), torch.from_numpy(context)


def _rows(
    model: AdditiveModel,
    appeal: NDArray[np.floating],
    tables: ContentTables,
    calibration: tuple[float, float],
    rows: NDArray[np.int64],
) -> _Rows:
    log = model.log.take(rows)
    slope, intercept = calibration
    offset = np.asarray(appeal, dtype=np.float32)[log.group] + slope * model.uplift_of(log).numpy() + intercept
    offset = offset.astype(np.float32)
    offset_and_counts = (torch.from_numpy(values) for values in (offset, log.trials, log.reward))
    return _Rows(*_inputs(log, tables), *offset_and_counts)


@torch.no_grad()
def _gain(
    net: AttentionResidual,
    model: AdditiveModel,
    appeal: NDArray[np.floating],
    tables: ContentTables,
    calibration: tuple[float, float],
    rows: NDArray[np.int64],
) -> tuple[float, float]:
    """Held-out log-likelihood gained over the additive model, and its standard error; 0 with fewer than two rows."""
    if len(rows) < 2:
        return 0.0, 0.0
    gains = []
    for start in range(0, len(rows), 4 * BATCH):
        part = _rows(model, appeal, tables, calibration, rows[start : start + 4 * BATCH])
        logit = part.offset + calibration[0] * net(part.latents, part.present, part.context).sum(1)
        before = part.reward * part.offset - part.trials * F.softplus(part.offset)
        gains.append(part.reward * logit - part.trials * F.softplus(logit) - before)
    gain = torch.cat(gains).double()
    return float(gain.sum()), float(gain.std() * len(gain) ** 0.5)
