"""What rows held out from training say of a run, and of another model on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.evaluation.logged import LoggedRows, calibration_of
from genco.evaluation.ranking import auc
from genco.runtime.attribution import Z_95

_EDGE = 1e-7


@dataclass(frozen=True)
class HeldOutFigures:
    """impressions: on the rows · rate: rewards an impression · log_loss: mean binomial cross-entropy an impression in
    nats, log_loss_se its standard error over rows · constant_log_loss: of one who knows the rate alone · auc: as
    `ranking.auc`, None unless both kinds are there · ece: calibration error over ten bins of equal mass."""

    impressions: float
    rate: float
    log_loss: float
    log_loss_se: float
    constant_log_loss: float
    auc: float | None
    ece: float


@dataclass(frozen=True)
class LossGain:
    """By how much less an impression costs one model than another, in nats, with its 95% interval over rows."""

    value: float
    low: float
    high: float


def held_out_figures(rows: LoggedRows) -> HeldOutFigures:
    """Figures of at least one row with impressions."""
    trials = rows.trials.astype(np.float64)
    rate = float(rows.reward.sum(dtype=np.float64) / trials.sum())
    loss, error = _mean(_losses(rows.probability, rows), trials)
    constant, _ = _mean(_losses(np.full(len(trials), rate), rows), trials)
    return HeldOutFigures(
        impressions=float(trials.sum()),
        rate=rate,
        log_loss=loss,
        log_loss_se=error,
        constant_log_loss=constant,
        auc=auc(rows.probability, rows.trials, rows.reward),
        ece=calibration_of(rows).error,
    )


def loss_gain(rows: LoggedRows, other: LoggedRows) -> LossGain:
    """What the first model saves over the other; both on the same rows in the same order, compared row by row."""
    difference = _losses(other.probability, rows) - _losses(rows.probability, rows)
    value, error = _mean(difference, rows.trials.astype(np.float64))
    return LossGain(value, value - Z_95 * error, value + Z_95 * error)


def _losses(probability: NDArray[np.floating], rows: LoggedRows) -> NDArray[np.float64]:
    """Cross-entropy [row], summed over the row's impressions."""
    p = np.clip(probability.astype(np.float64), _EDGE, 1 - _EDGE)
    reward, trials = rows.reward.astype(np.float64), rows.trials.astype(np.float64)
    return np.asarray(-(reward * np.log(p) + (trials - reward) * np.log1p(-p)))


def _mean(total: NDArray[np.float64], trials: NDArray[np.float64]) -> tuple[float, float]:
    """Mean an impression of sums by row, and its standard error with rows independent."""
    mean = total.sum() / trials.sum()
    return float(mean), float(np.sqrt(np.square(total - mean * trials).sum()) / trials.sum())
