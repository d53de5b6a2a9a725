"""Open Bandit data: fashion recommendations logged by a uniform and a Thompson policy, propensities included.

Source: the folder of one campaign, `<policy>/<campaign>` (policy random or bts, campaign all, men or women), that holds
`<campaign>.csv` and `item_context.csv`; or that first file itself. The small version of the data ships inside the
package obp 0.4.1, under `obp/dataset/obd`; the full version has the same columns and is read in constant memory.

A campaign is one product with one slot `item`; its elements are the items, with their features (`item_feature_0` a
number, the others categories). Context: `position` on the page (1 to 3) and `user_feature_0` to `_3`, all categories.
`user-item_affinity_*` are not imported: they describe every candidate for the user, not the request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from genco.data.catalogue import Slot
from genco.errors import DataError
from genco.storage.dataset import DatasetMeta
from genco.storage.importers.source import cast_table, find_file, first_line, read_table, refuse_rows, scan_table
from genco.storage.importers.summary import ImportSummary, refuse_num_impressions
from genco.storage.writer import DatasetWriter

ORIGIN = "Open Bandit Dataset, ZOZO, Inc., https://research.zozo.com/data.html"
CITATION = (
    "Saito, Aihara, Matsutani, Narita: Open Bandit Dataset and Pipeline, towards realistic and reproducible off-policy "
    "evaluation. NeurIPS 2021 Datasets and Benchmarks."
)
ITEM_FILE = "item_context.csv"
CHUNK_ROWS = 131_072
_ITEM_TYPES = {"item_id": pl.Int64(), "item_feature_0": pl.Float64()}
_USER = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
_LOG_TYPES = {
    "timestamp": pl.String(),
    "item_id": pl.Int64(),
    "position": pl.Int64(),
    "click": pl.Int64(),
    "propensity_score": pl.Float64(),
    **dict.fromkeys(_USER, pl.String()),
}
CONTEXT = ("position", *_USER)
POSITIONS = (1, 2, 3)


def import_obd(
    source: Path, out: Path, num_impressions: int | None = None, seed: int = 0, *, overwrite: bool = False
) -> ImportSummary:
    """Write one campaign under one policy as a dataset folder at `out`. `seed` has no effect.

    Raises `DataError` naming file, row and value; `ConfigError` if `num_impressions` is given.
    """
    del seed
    refuse_num_impressions("obd", num_impressions)
    path = find_file(Path(source), (".csv",), ignore=(ITEM_FILE,))
    campaign, policy = path.stem, path.absolute().parent.parent.name
    items = _items(path.parent / ITEM_FILE)
    scan_table(path, tuple(_LOG_TYPES))
    meta = DatasetMeta(
        name=f"obd-{policy}-{campaign}",
        slots=(Slot("item", "item"),),
        context=CONTEXT,
        origin={"source": ORIGIN, "citation": CITATION, "file": path.name, "policy": policy, "campaign": campaign},
    )
    num_rows = 0
    with DatasetWriter(Path(out), meta, overwrite=overwrite) as writer:
        writer.write_products(pl.DataFrame({"product_id": [campaign]}))
        writer.write_elements(items)
        for rows in _logged(path, items):
            writer.append_impressions(_impressions(rows, num_rows, campaign, policy))
            num_rows += rows.height
        if not num_rows:
            raise DataError(f"{path}: at least one row is expected. Found none.")
    notes = (
        f"policy {policy!r}, campaign {campaign!r}; propensities are given the position",
        "columns user-item_affinity_* are not imported",
    )
    return ImportSummary(meta.name, num_rows, num_rows, {}, f"{ORIGIN}. {CITATION}", notes)


def _items(path: Path) -> pl.DataFrame:
    """Elements with their features; text features stay text."""
    features = [
        name for name in scan_table(path, tuple(_ITEM_TYPES)).collect_schema().names() if name.startswith("item_f")
    ]
    others = {name: pl.String() for name in features if name not in _ITEM_TYPES}
    items = read_table(path, {**_ITEM_TYPES, **others})
    refuse_rows(items, pl.col("item_id").is_null(), "item_id", "a value is expected", path)
    refuse_rows(items, ~pl.col("item_id").is_first_distinct(), "item_id", "every item is listed once", path)
    infinite = ~pl.col("item_feature_0").is_finite()
    refuse_rows(items, infinite, "item_feature_0", "a finite number is expected", path)
    none = pl.lit(None, dtype=pl.String)
    return items.sort("item_id").select(
        *features,
        element_id=_element_id(),
        product_id=none,
        component=pl.lit("item"),
        text=none,
        image_uri=none,
        status=pl.lit("approved"),
    )


def _logged(path: Path, items: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield checked rows in the order of the file."""
    known = items["element_id"].implode()
    first_row = 1
    frames = scan_table(path, tuple(_LOG_TYPES)).select(list(_LOG_TYPES)).collect_batches(chunk_size=CHUNK_ROWS)
    try:
        for frame in frames:
            rows = cast_table(frame, _LOG_TYPES, path, first_row)
            _check(rows, known, path, first_row)
            yield rows
            first_row += rows.height
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error


def _check(rows: pl.DataFrame, known: pl.Series, path: Path, first_row: int) -> None:
    for column in _LOG_TYPES:
        refuse_rows(rows, pl.col(column).is_null(), column, "a value is expected", path, first_row)
    unknown = ~_element_id().is_in(known)
    refuse_rows(rows, unknown, "item_id", f"an item of {ITEM_FILE} is expected", path, first_row)
    refuse_rows(rows, ~pl.col("position").is_in(POSITIONS), "position", "1, 2 or 3 is expected", path, first_row)
    refuse_rows(rows, ~pl.col("click").is_in([0, 1]), "click", "0 or 1 is expected", path, first_row)
    propensity = pl.col("propensity_score")
    outside = propensity.is_nan() | (propensity <= 0) | (propensity > 1)
    refuse_rows(rows, outside, "propensity_score", "a propensity in (0, 1] is expected", path, first_row)
    time_rule = "a time like 2019-11-24 00:03:13.442536+00:00 is expected"
    refuse_rows(rows, _timestamp().is_null(), "timestamp", time_rule, path, first_row)


def _impressions(rows: pl.DataFrame, num_before: int, campaign: str, policy: str) -> pl.DataFrame:
    number = pl.int_range(num_before, num_before + rows.height)
    return rows.select(
        impression_id=pl.format("{}-{}-{}", pl.lit(policy), pl.lit(campaign), number),
        timestamp=_timestamp(),
        product_id=pl.lit(campaign),
        position=pl.col("position").cast(pl.String),
        **{name: pl.col(name) for name in _USER},
        item=_element_id(),
        num_clicks="click",
        propensity="propensity_score",
        policy=pl.lit(policy),
    )


def _element_id() -> pl.Expr:
    return pl.format("item-{}", "item_id")


def _timestamp() -> pl.Expr:
    """UTC, without a zone, microseconds; null where it cannot be read."""
    time = pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)
    return time.dt.replace_time_zone(None)
