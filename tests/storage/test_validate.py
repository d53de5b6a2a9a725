"""Validation reports every kind of violation, counts beyond its limit, and finds doubled impression ids."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.kits.small_dataset import part, spoil, write_small

from genco.storage import duplicate_ids
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


def test_products_without_elements_are_listed(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(folder / "catalogue/elements.parquet", "status", 2, "pending")
    (violation,) = validate_dataset(folder)
    assert violation.rule == "no_approved_element"
    assert "slot 'title' is required. Found none for product 'p2'." in violation.message


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
