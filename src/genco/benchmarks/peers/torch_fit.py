"""Maximum likelihood of clicks by Adam for the neural peers: large batches, falling steps, early stopping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genco.data.encoded_log import EncodedLog
from genco.rng import stream

BATCH_ROWS = 8_192
WARM_UP = 0.05
SMOOTHING_REWARDS = 2.0
Logit = Callable[[Tensor, Tensor, Tensor], Tensor]


class AppealPart(nn.Module):
    """Bias of each product, and linear effects of product features and context: what no choice of elements changes.

    at_rates: begin at each product's own rate in the log, smoothed by `SMOOTHING_REWARDS` at the rate of all, which is
    where everything begins else.
    """

    def __init__(self, log: EncodedLog, num_features: int, at_rates: bool) -> None:
        super().__init__()
        trials, reward = (
            np.bincount(log.product, values, log.num_products).astype(np.float64) for values in (log.trials, log.reward)
        )
        base = (reward.sum() + 0.5) / (trials.sum() + 1.0)
        rate = (reward + SMOOTHING_REWARDS) / (trials + SMOOTHING_REWARDS / base)
        begin = _logit(rate) - _logit(base) if at_rates else np.zeros(log.num_products)
        self.product = nn.Parameter(torch.tensor(begin, dtype=torch.float32))
        self.linear = nn.Linear(num_features, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, float(_logit(base)))

    def forward(self, product: Tensor, request: Tensor) -> Tensor:
        """[batch]. product: [batch] · request: [batch, feature], product features then context."""
        appeal: Tensor = self.product[product] + self.linear(request).squeeze(1)
        return appeal


def _logit(rate: Any) -> Any:
    rate = np.clip(rate, 1e-6, 1 - 1e-6)
    return np.log(rate / (1 - rate))


def fit_clicks(
    model: nn.Module,
    logit: Logit,
    log: EncodedLog,
    kept_out: EncodedLog,
    seed: int,
    epochs: int,
    learning_rate: float,
    penalty: Callable[[Tensor], Tensor] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> list[float]:
    """Fit `model` in place and leave it as it was after the epoch with the least loss on `kept_out`.

    logit: (product [batch], context number [batch], combination [batch, slot]) -> logit [batch] · penalty:
    combination -> what is added to a batch's mean loss. Returns the loss on `kept_out` after each epoch, in nats per
    impression.
    """
    rng = stream(seed, "peers", "batches")
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    rows = min(batch_rows, max(64, len(log) // 16))
    steps = epochs * math.ceil(len(log) / rows)
    scale = float(log.trials.mean(dtype=np.float64))
    best, losses, step = math.inf, [], 0
    kept: dict[str, Tensor] = {}
    for _ in range(epochs):
        model.train()
        order = rng.permutation(len(log)).astype(np.int32)
        for product, context, combination, trials, reward in _batches(log, rows, order):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * _share(step / steps)
            loss = _binomial(logit(product, context, combination), trials, reward).sum() / (len(trials) * scale)
            if penalty is not None:
                loss = loss + penalty(combination)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            step += 1
        losses.append(_mean_loss(model, logit, kept_out, batch_rows))
        if losses[-1] < best:
            best, kept = losses[-1], {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    model.eval()
    return losses


def _share(done: float) -> float:
    """Step size over its maximum: a short rise, then a half cosine to 0."""
    return done / WARM_UP if done < WARM_UP else 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _binomial(logit: Tensor, trials: Tensor, reward: Tensor) -> Tensor:
    return trials * nn.functional.softplus(logit) - reward * logit


def _mean_loss(model: nn.Module, logit: Logit, log: EncodedLog, rows: int) -> float:
    model.eval()
    with torch.no_grad():
        parts = [
            float(_binomial(logit(product, context, combination), trials, reward).sum())
            for product, context, combination, trials, reward in _batches(log, rows, np.arange(len(log)))
        ]
    return sum(parts) / float(log.trials.sum(dtype=np.float64))


def _batches(log: EncodedLog, rows: int, order: np.ndarray) -> Iterator[tuple[Tensor, ...]]:
    for start in range(0, len(order), rows):
        at = order[start : start + rows]
        group = log.group[at]
        yield (
            torch.from_numpy(log.group_product[group]).long(),
            torch.from_numpy(log.group_context[group]).long(),
            torch.from_numpy(log.combination[at]).long(),
            torch.from_numpy(log.trials[at]),
            torch.from_numpy(log.reward[at]),
        )
