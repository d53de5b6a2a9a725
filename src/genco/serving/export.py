"""The joined log as a dataset folder, to train on or to analyse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, select

from genco.data.columns import NumericColumn
from genco.errors import DataError
from genco.policies.optimizer import Optimizer, load
from genco.serving.actor_limits import ActorLimits
from genco.serving.additions import grown
from genco.serving.additions_store import read_additions
from genco.serving.candidate_sets import read_sets
from genco.serving.control_store import changes_in_force
from genco.serving.forged_evidence import forged_ids
from genco.serving.governed import state_of
from genco.serving.joiner import CONVERSIONS, Joined, settled
from genco.serving.named_apart import NamedApart
from genco.serving.older_data import OlderData
from genco.serving.registry import served
from genco.serving.store import be_patient
from genco.serving.store_marks import marks
from genco.serving.tables import decisions
from genco.storage.dataset import Dataset
from genco.storage.revenue_log import rate_log
from genco.storage.writer import DatasetWriter

CHUNK_ROWS = 20_000
REVENUE = "revenue"


@dataclass(frozen=True)
class Exported:
    """rows: of the log · rounded: rows whose reward was no whole click · left_out: rows of products or elements the run
    does not know, beyond their actor's limits, or rewarded by a forger · joined: rows of older data."""

    path: Path
    rows: int
    rounded: int
    left_out: int
    joined: int = 0


def export_log(
    engine: Engine,
    out: Path,
    until: int,
    overwrite: bool = False,
    limits: ActorLimits | None = None,
    as_rate: bool = False,
    older: Dataset | None = None,
) -> Exported:
    """Write the settled decisions that were shown and decided before `until`, with the catalogue of the served run
    as the store has it now: what was added, its rules and statuses. The store takes these back when it serves a run
    trained on them.

    limits: on decisions of one actor; where not given, all are written · as_rate: the reward is the rate of events also
    where the served run was trained on revenue, which some formats cannot say · older: data from before the store,
    whose rows come first.

    A row of the log has one impression and at most one of the events that the run learned, a click or a conversion: 1
    where its reward reaches 1/2. Raises `DataError` where the store has not served a run or the older data do not fit,
    and as `DatasetWriter` does, so for a decision that the older data have, too.
    """
    model = served(engine)
    if model is None:
        raise DataError("The store has never served a run, so it has no catalogue to export with.")
    with engine.connect() as connection:
        be_patient(connection)
        trained, additions = load(model.path), read_additions(connection)
        optimizer = grown(trained, additions)
        statuses = state_of(changes_in_force(connection)).statuses
        apart = _candidates(connection, optimizer, until)
    optimizer = grown(optimizer, apart.additions)
    origin: dict[str, Any] = {"source": "genco serve", "model": model.version}
    reward = REVENUE if optimizer.value is not None and not as_rate else optimizer.meta.reward
    if older is not None and as_rate:
        older = rate_log(older, reward)
    before = None if older is None else OlderData(older, optimizer, reward)
    optimizer = optimizer if before is None else before.grown()
    meta = replace(optimizer.meta, reward=reward, split="time", origin=origin)
    status = optimizer.catalogue.status_with(statuses)
    origin |= marks(trained, optimizer.catalogue, status, additions.store)
    joined = num_rows = rounded = left_out = 0
    with DatasetWriter(out, meta, overwrite) as writer, engine.connect() as connection:
        be_patient(connection)
        writer.write_products(optimizer.catalogue.products)
        writer.write_elements(optimizer.catalogue.elements.with_columns(status))
        for table in () if before is None else before.tables():
            writer.append_impressions(table)
            joined += table.height
        forged = frozenset() if limits is None else forged_ids(connection, optimizer, until, limits, apart.renamed)
        rows = settled(connection, 0, until, limits=limits, rate_of=optimizer.meta.reward)
        while chunk := list(islice(rows, CHUNK_ROWS)):
            known = [row for row in apart.renamed(chunk) if row.counts and _is_known(optimizer, row)]
            kept = [row for row in known if row.event_id not in forged]
            if kept:
                outcomes = _outcomes(kept, optimizer.meta.reward, reward)
                writer.append_impressions(_table(optimizer, kept).with_columns(outcomes))
            num_rows, left_out = num_rows + len(kept), left_out + len(chunk) - len(kept)
            rounded += sum(row.reward not in (0.0, 1.0) for row in kept)
    return Exported(out, num_rows, rounded, left_out, joined)


def _candidates(connection: Connection, optimizer: Optimizer, until: int) -> NamedApart:
    """Every candidate that a request before `until` brought along."""
    query = select(decisions.c.candidates, decisions.c.product_id).distinct()
    brought = decisions.c.candidates.is_not(None), decisions.c.decided_at < until
    pairs = sorted((digest, product) for digest, product in connection.execute(query.where(*brought)))
    apart = NamedApart(optimizer.catalogue, read_sets(connection, [digest for digest, _ in pairs]))
    for digest, product_id in pairs:
        apart.add(digest, product_id)
    return apart


def _is_known(optimizer: Optimizer, row: Joined) -> bool:
    catalogue = optimizer.catalogue
    known = all(name is None or name in catalogue.element_rows for name in row.combination)
    return known and row.product_id in catalogue.product_rows and len(row.combination) == catalogue.num_slots


def _table(optimizer: Optimizer, rows: Sequence[Joined]) -> pl.DataFrame:
    """Rows with the columns of a dataset folder."""
    slots = {name: [row.combination[i] for row in rows] for i, name in enumerate(optimizer.slot_names)}
    numeric = {c.name for c in optimizer.encoders.context.columns.columns if isinstance(c, NumericColumn)}
    context = {name: _context(rows, name, name in numeric) for name in optimizer.meta.context}
    return pl.DataFrame(
        {
            "impression_id": [row.event_id for row in rows],
            "timestamp": pl.Series([row.decided_at for row in rows]).cast(pl.Datetime("us")),
            "product_id": [row.product_id for row in rows],
            **context,
            **{name: pl.Series(ids, dtype=pl.String) for name, ids in slots.items()},
            "propensity": pl.Series([row.propensity for row in rows], dtype=pl.Float64),
            "policy": [row.policy for row in rows],
            "model_version": [row.model_version for row in rows],
        }
    )


def _outcomes(rows: Sequence[Joined], rate_of: str, reward: str) -> list[pl.Series]:
    """Clicks, conversions and revenue. Of the events learned there is one where the reward reaches 1/2; where revenue
    is the reward, there is none without a conversion."""
    learned = [int(row.reward >= 0.5) for row in rows]
    clicks, conversions = learned, [row.conversions for row in rows]
    if rate_of == CONVERSIONS:
        clicks, conversions = [row.clicks for row in rows], learned
    revenue = [row.revenue for row in rows]
    if reward == REVENUE:
        revenue = [amount * bool(sold) for amount, sold in zip(revenue, conversions, strict=True)]
    return [
        pl.Series("num_clicks", clicks),
        pl.Series("num_conversions", conversions),
        pl.Series("revenue", revenue, dtype=pl.Float64),
    ]


def _context(rows: Sequence[Joined], name: str, numeric: bool) -> pl.Series:
    """A context column of one type, null where a request did not say."""
    values = [row.context.get(name) for row in rows]
    if numeric:
        return pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    return pl.Series([None if value is None else _text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
