"""Validation reports every kind of violation, counts beyond its limit, and finds doubled impression ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.small_dataset import part, spoil, write_small

from genco.errors import DataError
from genco.storage import duplicate_ids
from genco.storage.dataset import open_dataset
from genco.storage.validate import validate_dataset


def test_every_kind_is_reported_at_once(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    for column, row, value in (
        ("product_id", 0, "p9"),
        ("title", 1, "t9"),
        ("num_clicks", 2, -1),
        ("propensity", 3, 2.0),
        ("impression_id", 4, "i0"),
    ):
        spoil(part(folder), column, row, value)
    spoil(folder / "catalogue/elements.parquet", "status", 3, "gone")
    (folder / "impressions" / "z.parquet").write_bytes(b"PAR1")
    rules = [violation.rule for violation in validate_dataset(folder)]
    rows = {"unknown_product", "unknown_element", "count", "propensity_range", "duplicate_impression_id"}
    assert len(rules) == 7
    assert set(rules) == rows | {"status", "unreadable"}


def test_rows_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    pl.read_parquet(part(folder)).with_columns(title=pl.lit("t9")).write_parquet(part(folder))
    found = validate_dataset(folder, limit=3)
    assert [violation.row for violation in found] == [0, 1, 2, None]
    assert found[-1].value == "9 more"
    assert found[-1].message == "column 'title', rule unknown_element: 9 more rows, 12 in all."


@pytest.mark.parametrize("in_memory", [4, 1 << 24])
def test_doubled_impression_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    """Also over files, and when the log does not fit in one pass."""
    monkeypatch.setattr(duplicate_ids, "HASHES_IN_MEMORY", in_memory)
    folder = write_small(tmp_path / "d")
    spoil(part(folder), "impression_id", 7, "i2")
    other = folder / "impressions" / "q.parquet"
    pl.read_parquet(part(folder)).head(3).with_columns(
        impression_id=pl.Series(["j0", "i11", None], dtype=pl.String)
    ).write_parquet(other)
    found = validate_dataset(folder)
    assert [(v.file, v.row, v.value) for v in found] == [(str(part(folder)), 7, "'i2'"), (str(other), 1, "'i11'")]
    assert "an id that no earlier row has is expected" in found[0].message
    limited = validate_dataset(folder, limit=1)
    assert len(limited) == 2
    assert limited[-1].value == "1 more"


def test_a_slot_without_elements_for_any_product(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(folder / "catalogue/elements.parquet", "status", 2, "pending")
    assert validate_dataset(folder) == []
    for row in (0, 1):
        spoil(folder / "catalogue/elements.parquet", "status", row, "pending")
    (violation,) = validate_dataset(folder)
    assert violation.rule == "no_approved_element"
    assert "at least one product, as slot 'title' is required. Found none." in violation.message


def test_a_status_that_is_missing_in_one_row(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(folder / "catalogue/elements.parquet", "status", 0, None)
    (violation,) = validate_dataset(folder)
    assert (violation.row, violation.rule, violation.value) == (0, "status", "None")


def test_context_of_another_sort_in_a_later_file(tmp_path: Path) -> None:
    """Numbers in one file and texts in another cannot be one column; nulls go with either."""
    folder = write_small(tmp_path / "d")
    for name, values in (("y", None), ("z", 3)):
        later = pl.read_parquet(part(folder)).with_columns(
            pl.concat_str(pl.lit(name), "impression_id").alias("impression_id"), segment=pl.lit(values)
        )
        later.write_parquet(folder / "impressions" / f"{name}.parquet")
    (violation,) = validate_dataset(folder)
    assert violation.rule == "mixed_types"
    assert "z.parquet, column 'segment': a column of texts, as in" in violation.message
    with pytest.raises(DataError, match=r"z\.parquet, column 'segment'"):
        open_dataset(folder)


def test_rules_that_name_a_slot_twice(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    description = folder / "dataset.toml"
    rule = '{ kind = "allow", slots = ["title", "title"], pairs = [["t1", "t1"]] }'
    description.write_text(description.read_text().replace("rules = []", f"rules = [{rule}]"))
    (violation,) = validate_dataset(folder)
    assert violation.rule == "repeated_slot"
    assert "every slot once is expected. Found ['title', 'title']." in violation.message


def test_counts_beyond_what_numbers_can_hold(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(part(folder), "num_impressions", 1, 2**60)
    (violation,) = validate_dataset(folder)
    assert (violation.row, violation.rule) == (1, "large_count")


def test_features_beyond_any_scale(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(folder / "catalogue/elements.parquet", "length", 2, -1e200)
    (violation,) = validate_dataset(folder)
    assert (violation.row, violation.column, violation.rule) == (2, "length", "large")


def test_a_propensity_too_small_for_its_column_stays_positive(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(part(folder), "propensity", 0, 1e-60)
    (batch,) = open_dataset(folder).batches()
    assert 0 < batch.propensity[0] < 1e-30
    assert np.isnan(batch.propensity[1])


def test_long_values_are_shortened(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(part(folder), "title", 0, "x" * 10_000)
    (violation,) = validate_dataset(folder)
    assert len(violation.message) < 400


def test_broken_description(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    (folder / "dataset.toml").write_text("name = [")
    (violation,) = validate_dataset(folder)
    assert "dataset.toml: cannot be read as TOML" in violation.message
