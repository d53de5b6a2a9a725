"""Upworthy Research Archive: randomised tests of headline and picture, one row per package with its counts.

A test becomes a product with slots `headline` (its text is the content) and `image` (an id only: the pictures are not
public). Lede, excerpt and the rest of a row were not shown on the tested page, so packages that share headline and
image are one combination and their counts are added. Visitors were spread evenly over the packages of a test, so the
propensity is the combination's share of the test's packages.

Source: one of the archive's files (`upworthy-archive-*-packages-*.csv`) or a Parquet file of the same columns, or a
folder that holds just one. Read: clickability_test_id, headline, eyecatcher_id, impressions, clicks, test_week and, if
present, created_at (the time of an impression; without it, the Sunday that starts test_week).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genco.data.catalogue import Slot
from genco.errors import DataError
from genco.rng import stable_hash
from genco.storage.dataset import DatasetMeta
from genco.storage.importers.source import find_file, read_table, refuse_rows
from genco.storage.importers.summary import ImportSummary, refuse_num_impressions
from genco.storage.writer import DatasetWriter

ORIGIN = (
    "Upworthy Research Archive, J. Nathan Matias, Kevin Munger, Marianne Aubin Le Quere and Charles Ebersole, "
    "https://osf.io/jd64p"
)
CITATION = (
    "Matias, Munger, Aubin Le Quere, Ebersole: The Upworthy Research Archive, a time series of 32,487 experiments in "
    "U.S. media. Scientific Data 8, 195 (2021)."
)
FLAGGED_WEEKS = (201326, 201402)
MOST = 10**12
SLOTS = (Slot("headline", "headline"), Slot("image", "image"))
_TYPES = {
    "clickability_test_id": pl.String(),
    "headline": pl.String(),
    "eyecatcher_id": pl.String(),
    "impressions": pl.Int64(),
    "clicks": pl.Int64(),
    "test_week": pl.Int64(),
}
_PACKAGE = ("product_id", "headline", "image")


def import_upworthy(
    source: Path,
    out: Path,
    num_impressions: int | None = None,
    seed: int = 0,
    *,
    keep_flagged: bool = False,
    overwrite: bool = False,
) -> ImportSummary:
    """Write the archive as a dataset folder at `out`.

    Tests of the weeks 201326 to 201402, which the archive's authors flag as not properly randomised, are dropped unless
    `keep_flagged`; then they carry no propensity. Rows without headline, image or impressions are dropped, and counted.
    `seed` has no effect. Raises `DataError` naming file, row and value; `ConfigError` if `num_impressions` is given.
    """
    del seed
    refuse_num_impressions("upworthy", num_impressions)
    path = find_file(Path(source))
    rows = _read(path)
    kept, dropped = _drop(rows, keep_flagged)
    if not kept.height:
        counts = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items() if count)
        found = f"{rows.height:,} rows{f', all dropped: {counts}' if counts else ''}"
        raise DataError(f"{path}: at least one usable row is expected. Found {found}.")
    packages = _merge(kept)
    dropped["merged_same_headline_and_image"] = kept.height - packages.height
    notes = _notes(packages, dropped, keep_flagged)
    meta = DatasetMeta(
        name="upworthy",
        slots=SLOTS,
        origin={
            "source": ORIGIN,
            "citation": CITATION,
            "file": path.name,
            "rows_read": rows.height,
            "rows_written": packages.height,
            **{f"dropped_{reason}": count for reason, count in dropped.items()},
        },
        split="product",
    )
    with DatasetWriter(Path(out), meta, overwrite=overwrite) as writer:
        writer.write_products(packages.select("product_id").unique(maintain_order=True))
        writer.write_elements(_elements(packages))
        writer.append_impressions(_impressions(packages))
    return ImportSummary("upworthy", rows.height, packages.height, dropped, f"{ORIGIN}. {CITATION}", notes)


def _read(path: Path) -> pl.DataFrame:
    rows = read_table(path, _TYPES, optional={"created_at": pl.String()})
    for column in ("clickability_test_id", "impressions", "clicks", "test_week"):
        refuse_rows(rows, pl.col(column).is_null(), column, "a value is expected", path)
    refuse_rows(
        rows,
        pl.col("clickability_test_id").str.strip_chars() == "",
        "clickability_test_id",
        "a value is expected",
        path,
    )
    for column in ("impressions", "clicks"):
        refuse_rows(rows, pl.col(column) < 0, column, "counts should not be negative", path)
        refuse_rows(rows, pl.col(column) > MOST, column, f"a count of at most {MOST:,} is expected", path)
    too_many = "clicks should not exceed the row's impressions"
    refuse_rows(rows, pl.col("clicks") > pl.col("impressions"), "clicks", too_many, path)
    week = pl.col("test_week") % 100
    week_rule = "a year and a week 00 to 53 are expected, as in 201446"
    refuse_rows(rows, (week > 53) | ~pl.col("test_week").is_between(190_000, 299_999), "test_week", week_rule, path)
    timestamp = _start_of_week()
    if "created_at" in rows.columns:
        created = (
            pl.col("created_at").str.slice(0, 23).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        )
        time_rule = "a time like 2014-11-20 06:43:16.005 is expected"
        refuse_rows(rows, created.is_null() & pl.col("created_at").is_not_null(), "created_at", time_rule, path)
        timestamp = pl.coalesce(created, timestamp)
    return rows.with_columns(timestamp=timestamp).rename(
        {"clickability_test_id": "product_id", "eyecatcher_id": "image"}
    )


def _start_of_week() -> pl.Expr:
    """Start of `test_week`: weeks start on Sunday, week 01 with the year's first Sunday, week 00 on 1 January."""
    new_year = pl.datetime(pl.col("test_week") // 100, 1, 1, time_unit="us")
    days_before_week_1 = 7 - new_year.dt.weekday().cast(pl.Int64)
    days = days_before_week_1 + 7 * (pl.col("test_week") % 100 - 1)
    return new_year + pl.duration(days=pl.max_horizontal(days, 0))


def _drop(rows: pl.DataFrame, keep_flagged: bool) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the usable rows, with the number of packages of their test, and the counts of the others by reason."""
    flagged = pl.col("test_week").is_between(*FLAGGED_WEEKS)
    rows = rows.with_columns(
        packages_in_test=pl.len().over("product_id"),
        randomised=~flagged.any().over("product_id"),
    )
    reasons = {
        "no_headline": pl.col("headline").str.strip_chars().fill_null("") == "",
        "no_image": pl.col("image").fill_null("") == "",
        "no_impressions": pl.col("impressions") == 0,
    }
    if not keep_flagged:
        reasons = {"flagged_weeks_201326_to_201402": ~pl.col("randomised"), **reasons}
    dropped = {}
    for reason, condition in reasons.items():
        kept = rows.filter(~condition)
        dropped[reason] = rows.height - kept.height
        rows = kept
    return rows, dropped


def _merge(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per (test, headline, image), oldest first."""
    share = pl.len() / pl.col("packages_in_test").first()
    packages = rows.group_by(_PACKAGE, maintain_order=True).agg(
        pl.col("timestamp").min(),
        pl.col("impressions", "clicks").sum(),
        propensity=pl.when(pl.col("randomised").first()).then(share),
    )
    headlines = packages["headline"].unique(maintain_order=True)
    codes = [f"{stable_hash(headline):016x}" for headline in headlines]
    code = pl.col("headline").replace_strict(headlines, codes, return_dtype=pl.String)
    return packages.with_columns(
        headline_id=pl.concat_str("product_id", pl.lit("-h-"), code),
        image_id=pl.concat_str("product_id", pl.lit("-i-"), "image"),
    ).sort("timestamp", maintain_order=True)


def _elements(packages: pl.DataFrame) -> pl.DataFrame:
    """Headlines with their text, then images; each belongs to its test."""
    kinds = (("headline", "headline_id", pl.col("headline")), ("image", "image_id", pl.lit(None, dtype=pl.String)))
    parts = [
        packages.select(element_id=pl.col(element_id), product_id="product_id", component=pl.lit(component), text=text)
        for component, element_id, text in kinds
    ]
    return (
        pl.concat(parts)
        .unique("element_id", maintain_order=True)
        .with_columns(image_uri=pl.lit(None, dtype=pl.String), status=pl.lit("approved"))
    )


def _impressions(packages: pl.DataFrame) -> pl.DataFrame:
    return packages.select(
        impression_id=pl.concat_str("headline_id", pl.lit("-"), "image"),
        timestamp="timestamp",
        product_id="product_id",
        headline="headline_id",
        image="image_id",
        num_impressions="impressions",
        num_clicks="clicks",
        propensity="propensity",
        policy=pl.lit("even split"),
    )


def _notes(packages: pl.DataFrame, dropped: dict[str, int], keep_flagged: bool) -> tuple[str, ...]:
    choices = packages.group_by("product_id").agg(pl.len())
    single = choices.filter(pl.col("len") == 1).height
    first, last = FLAGGED_WEEKS
    flagged = (
        f"weeks {first} to {last}, flagged by the archive's authors as not properly randomised, were kept on request, "
        "without propensity"
        if keep_flagged
        else f"weeks {first} to {last}, flagged by the archive's authors as not properly randomised, were dropped: "
        f"{dropped[f'flagged_weeks_{first}_to_{last}']:,} rows"
    )
    return (
        flagged,
        f"{choices.height:,} tests, of which {single:,} have a single combination of headline and image",
        "images are known by id only; noise is above binomial (chi-square per degree of freedom about 1.8 for "
        "identical packages)",
    )
