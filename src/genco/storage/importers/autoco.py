"""AutoCO: the true click-through rate of every legal combination of four elements, for 167 items.

Source: `item_ctr.csv` with columns item, pos, f0, f1, e0, e1, e2, e3, ctr (or Parquet of the same), or a folder that
holds one. An item is a product with categorical features f0 and f1; e0 to e3 are the slots; elements (`e3-4`) are
shared by all products and have no content. The listed combinations of an item become its `only` rule, the table becomes
the truth, and the log is drawn from it: single impressions, uniform over items and their combinations, propensities
logged.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genco.data.catalogue import Slot
from genco.data.rules import Only
from genco.errors import DataError
from genco.storage.dataset import DatasetMeta
from genco.storage.importers.drawn_log import write_drawn_dataset
from genco.storage.importers.rate_table import numbered_elements, rate_table
from genco.storage.importers.source import find_file, read_table, refuse_rows
from genco.storage.importers.summary import ImportSummary

ORIGIN = "Simulator of AutoCO, Alimama, https://github.com/alimama-creative/AutoCO"
CITATION = "Automated Creative Optimization for E-Commerce Advertising. WWW 2021."
SLOTS = ("e0", "e1", "e2", "e3")
FEATURES = ("f0", "f1")
DEFAULT_IMPRESSIONS = 1_000_000
_INTEGERS = ("item", *FEATURES, *SLOTS)


def import_autoco(
    source: Path, out: Path, num_impressions: int | None = None, seed: int = 0, *, overwrite: bool = False
) -> ImportSummary:
    """Write table, rules and a drawn log of `num_impressions` (default 1,000,000) as a dataset folder at `out`.

    Raises `DataError` naming file, row and value.
    """
    path = find_file(Path(source))
    rows = read_autoco(path)
    items = rows.select("item", *FEATURES).unique("item", maintain_order=True)
    num_impressions = DEFAULT_IMPRESSIONS if num_impressions is None else num_impressions
    log_note = f"the log is drawn: {num_impressions:,} impressions uniform over items and combinations, seed {seed}"
    meta = DatasetMeta(
        name="autoco",
        slots=tuple(Slot(slot, slot) for slot in SLOTS),
        rules=_listed_rules(rows),
        origin={
            "source": ORIGIN,
            "citation": CITATION,
            "file": path.name,
            "log": log_note,
            "rows_read": rows.height,
            "rows_written": rows.height,
        },
    )
    products = items.select(product_id=pl.format("item-{}", "item"), **{f: pl.col(f).cast(pl.String) for f in FEATURES})
    elements, table = numbered_elements(rows, SLOTS), rate_table(rows, "item", SLOTS, "ctr")
    write_drawn_dataset(Path(out), meta, products, elements, table, num_impressions, seed, overwrite)
    notes = (log_note, f"{items.height} items with {rows.height:,} legal combinations, almost additive inside an item")
    return ImportSummary("autoco", rows.height, rows.height, {}, f"{ORIGIN}. {CITATION}", notes)


def read_autoco(path: Path) -> pl.DataFrame:
    """Return the table sorted by item and elements."""
    rows = read_table(path, {**dict.fromkeys(_INTEGERS, pl.Int64()), "ctr": pl.Float64()})
    if not rows.height:
        raise DataError(f"{path}: at least one row is expected. Found none.")
    for column in _INTEGERS:
        rule = "a number from 0 is expected"
        refuse_rows(rows, pl.col(column).is_null() | (pl.col(column) < 0), column, rule, path)
    rate = pl.col("ctr").is_between(0, 1).fill_null(False)
    refuse_rows(rows, ~rate, "ctr", "a rate in [0, 1] is expected", path)
    for feature in FEATURES:
        differs = pl.col(feature) != pl.col(feature).first().over("item")
        refuse_rows(rows, differs, feature, "one value per item is expected", path)
    twice = ~pl.struct("item", *SLOTS).is_first_distinct()
    refuse_rows(rows, twice, "item", "every combination of an item is listed once; this one is listed again", path)
    return rows.sort("item", *SLOTS)


def _listed_rules(rows: pl.DataFrame) -> tuple[Only, ...]:
    named = rows.select("item", *(pl.format(f"{slot}-{{}}", slot).alias(slot) for slot in SLOTS))
    listed = named.group_by("item", maintain_order=True).agg(combinations=pl.concat_list(SLOTS))
    return tuple(Only(f"item-{item}", tuple(map(tuple, combinations))) for item, combinations in listed.iter_rows())
