"""The rows of a dataset that an off-policy evaluation looks at: held out from training, with a propensity, sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.errors import SupportError
from genco.evaluation.held_out import rows_to_judge_on
from genco.evaluation.ope.slot_shares import SlotShares
from genco.policies.optimizer import Optimizer
from genco.rng import stream
from genco.storage.dataset import Dataset
from genco.storage.revenue_log import rate_log, valued_batches

Floats = NDArray[np.float64]
Progress = Callable[[str, dict[str, float]], None]


@dataclass(frozen=True)
class LoggedRows:
    """Rows [row] of a log. combination: [row, slot] · context: [row, num_context] encoded · count: impressions alike ·
    reward: of one impression; before `single`, the share of impressions with an event · key: random order of the
    sample · value: of one event, 1 where events are what counts.
    """

    product: NDArray[np.int32]
    combination: NDArray[np.int32]
    context: NDArray[np.float32]
    propensity: Floats
    reward: Floats
    count: Floats
    key: Floats
    value: Floats

    def __len__(self) -> int:
        return len(self.product)

    def take(self, rows: NDArray[np.integer]) -> LoggedRows:
        return LoggedRows(*(getattr(self, each.name)[rows] for each in fields(self)))

    def single(self) -> LoggedRows:
        """Rows with some impressions rewarded and some not become two: every reward is 0 or the value of an event."""
        none, some = np.flatnonzero(self.reward < 1), np.flatnonzero(self.reward > 0)
        parts = [
            replace(self.take(none), reward=np.zeros(len(none)), count=(self.count * (1 - self.reward))[none]),
            replace(self.take(some), reward=self.value[some], count=(self.count * self.reward)[some]),
        ]
        return _joined(parts)


@dataclass(frozen=True)
class ReadLog:
    """rows: what is evaluated, each reward 0 or the value of an event · num_rows: of the dataset · num_eligible: that
    could be sampled · chosen_from: which rows those are · shares: of elements in every slot, over all rows.
    """

    rows: LoggedRows
    num_rows: int
    num_eligible: int
    chosen_from: str
    shares: SlotShares


def read_log(optimizer: Optimizer, dataset: Dataset, num_rows: int, seed: int, progress: Progress) -> ReadLog:
    """A uniform sample of at most `num_rows` eligible rows, in one pass and constant memory.

    Rows the run was trained on are not eligible where it held others out. Revenue is read as events of the kind the run
    learned, each worth the mean of its row. Raises `SupportError` where no row has a propensity, or none of those was
    held out.
    """
    split, chosen_from = rows_to_judge_on(optimizer, dataset)
    sample: list[LoggedRows] = []
    shares = SlotShares(dataset.catalogue.num_slots, dataset.catalogue.num_elements)
    read = with_propensity = eligible = 0
    rng = stream(seed, "off-policy rows")
    for batch, value in valued_batches(dataset, rate_log(dataset, optimizer.meta.reward)):
        shares = shares.update(batch.product, batch.combination, batch.num_impressions)
        logged = np.isfinite(batch.propensity) & (batch.num_impressions > 0)
        allowed = logged if split is None else logged & split.held_out(batch, dataset.catalogue)
        keys = rng.random(len(batch))
        read, eligible = read + len(batch), eligible + int(allowed.sum())
        with_propensity += int(logged.sum())
        sample = _smallest([*sample, _rows(optimizer, batch, np.flatnonzero(allowed), keys, value)], num_rows)
        progress("reading", {"rows": read, "of": dataset.num_rows})
    if not with_propensity:
        raise SupportError(
            f"Off-policy evaluation needs logged propensities. Found none in {read:,} rows: log the probability of "
            "every decision in the column `propensity`."
        )
    if not eligible:
        raise SupportError(
            f"Off-policy evaluation needs rows that were held out from training. Found none among {with_propensity:,} "
            "rows with a propensity."
        )
    return ReadLog(_joined(sample).single(), read, eligible, chosen_from, shares)


def _rows(
    optimizer: Optimizer, batch: ImpressionBatch, rows: NDArray[np.int64], keys: Floats, value: Floats
) -> LoggedRows:
    raw = {name: values[rows] for name, values in batch.context.items()}
    count = batch.num_impressions[rows].astype(np.float64)
    return LoggedRows(
        product=batch.product[rows],
        combination=batch.combination[rows],
        context=optimizer.encoders.context.transform(raw, len(rows)),
        propensity=batch.propensity[rows].astype(np.float64),
        reward=batch.reward[rows] / count,
        count=count,
        key=keys[rows],
        value=value[rows],
    )


def _smallest(parts: list[LoggedRows], num: int) -> list[LoggedRows]:
    """The rows of the `num` smallest keys."""
    if sum(map(len, parts)) <= num:
        return parts
    rows = _joined(parts)
    return [rows.take(np.sort(np.argpartition(rows.key, num - 1)[:num]))]


def _joined(parts: list[LoggedRows]) -> LoggedRows:
    return LoggedRows(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(LoggedRows)))
