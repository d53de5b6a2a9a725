"""Upworthy importer: the real share of the archive, a hand-made table, and bad rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.importer import check_import, check_refusal, check_same_seed_same_dataset
from tests.kits.real_data import real_data

from genco.errors import ConfigError
from genco.storage.importers.upworthy import import_upworthy

ROW = {
    "clickability_test_id": "t1",
    "headline": "Red shoe",
    "lede": "<p>x</p>",
    "eyecatcher_id": "i1",
    "impressions": 100,
    "clicks": 5,
    "test_week": 201446,
}


def write_csv(folder: Path, *changes: dict[str, object]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "archive.csv"
    pl.DataFrame([{**ROW, **change} for change in changes], infer_schema_length=None).write_csv(path)
    return path


def test_real_share_of_the_archive(tmp_path: Path) -> None:
    source = real_data("upworthy")
    summary, dataset = check_import(import_upworthy, source, tmp_path / "out", 11_053)
    assert summary.rows_read == 16_140
    assert summary.dropped == {
        "flagged_weeks_201326_to_201402": 3_064,
        "no_headline": 0,
        "no_image": 22,
        "no_impressions": 0,
        "merged_same_headline_and_image": 2_001,
    }
    assert "3,064 rows" in summary.notes[0]
    assert dataset.catalogue.num_products == 2_725
    assert dataset.meta.split == "product"
    rows = pl.read_parquet(next(source.glob("*.parquet")))
    kept = rows.filter(~pl.col("test_week").is_between(201326, 201402), pl.col("eyecatcher_id").is_not_null())
    batches = list(dataset.batches())
    assert sum(batch.num_impressions.sum(dtype=np.float64) for batch in batches) == kept["impressions"].sum()
    assert sum(batch.reward.sum(dtype=np.float64) for batch in batches) == kept["clicks"].sum()


def test_keep_flagged_says_so_and_logs_no_propensity(tmp_path: Path) -> None:
    summary, dataset = check_import(import_upworthy, real_data("upworthy"), tmp_path / "out", 13_635, keep_flagged=True)
    assert "kept on request" in summary.notes[0]
    (batch,) = dataset.batches()
    assert np.isnan(batch.propensity).sum() == 13_635 - 11_053


def test_packages_that_look_the_same_are_one_combination(tmp_path: Path) -> None:
    """Three packages, two alike: counts 100 + 50 and 5 + 1, propensity 2/3 and 1/3."""
    path = write_csv(tmp_path / "in", {}, {"lede": "y", "impressions": 50, "clicks": 1}, {"headline": "Blue shoe"})
    summary, dataset = check_import(import_upworthy, path, tmp_path / "out", 2)
    (batch,) = dataset.batches()
    assert summary.dropped["merged_same_headline_and_image"] == 1
    assert batch.num_impressions.tolist() == [150, 100]
    assert batch.reward.tolist() == [6, 5]
    np.testing.assert_allclose(batch.propensity, [2 / 3, 1 / 3], rtol=1e-6)
    elements = dataset.catalogue.elements
    assert elements.filter(component="headline")["text"].to_list() == ["Red shoe", "Blue shoe"]
    assert elements.filter(component="image")["text"].to_list() == [None]
    assert elements.filter(component="image")["element_id"].to_list() == ["t1-i-i1"]


def test_element_ids_are_stable_and_belong_to_one_test(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in", {}, {"clickability_test_id": "t2"})
    _, dataset = check_import(import_upworthy, path, tmp_path / "out", 2)
    ids = dataset.catalogue.elements.filter(component="headline")["element_id"].to_list()
    assert ids == ["t1-h-0f53e00ad9628fbc", "t2-h-0f53e00ad9628fbc"]


def test_time_is_created_at_or_the_sunday_of_the_week(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "in",
        {"created_at": "2014-11-20 06:43:16.005"},
        {"created_at": None, "clickability_test_id": "t2"},
        {"created_at": None, "clickability_test_id": "t3", "test_week": 201500},
    )
    _, dataset = check_import(import_upworthy, path, tmp_path / "out", 3)
    (batch,) = dataset.batches()
    times = dict(zip(batch.product.tolist(), batch.timestamp.astype("datetime64[us]").astype(str), strict=True))
    named = {dataset.catalogue.products["product_id"][row]: time for row, time in times.items()}
    assert named == {
        "t1": "2014-11-20T06:43:16.005000",
        "t2": "2014-11-16T00:00:00.000000",
        "t3": "2015-01-01T00:00:00.000000",
    }


def test_rows_without_image_headline_or_impressions_are_counted(tmp_path: Path) -> None:
    nobody, flagged = {"impressions": 0, "clicks": 0}, {"clickability_test_id": "t2", "test_week": 201330}
    path = write_csv(tmp_path / "in", {}, {"eyecatcher_id": None}, {"headline": " "}, nobody, flagged)
    summary, _ = check_import(import_upworthy, path, tmp_path / "out", 1)
    assert summary.dropped == {
        "flagged_weeks_201326_to_201402": 1,
        "no_headline": 1,
        "no_image": 1,
        "no_impressions": 1,
        "merged_same_headline_and_image": 0,
    }


def test_long_and_unicode_headlines_pass(tmp_path: Path) -> None:
    headline = '新款 🔥 "quoted", with comma\n' + "x" * 10_000
    path = write_csv(tmp_path / "in", {"headline": headline})
    _, dataset = check_import(import_upworthy, path, tmp_path / "out", 1)
    assert dataset.catalogue.elements["text"][0] == headline


def test_import_repeats(tmp_path: Path) -> None:
    check_same_seed_same_dataset(import_upworthy, write_csv(tmp_path / "in", {}, {"headline": "b"}), tmp_path)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"clicks": 101}, ("column 'clicks': clicks should not exceed the row's impressions", "Found 101")),
        ({"clicks": -1}, ("column 'clicks': counts should not be negative", "Found -1")),
        ({"clicks": "2.5"}, ("column 'clicks': a whole number is expected", "Found '2.5'")),
        ({"clickability_test_id": " "}, ("column 'clickability_test_id': a value is expected", "Found ' '")),
        ({"impressions": 2**62}, ("column 'impressions': a count of at most", "Found 4611686018427387904")),
        ({"impressions": None}, ("column 'impressions': a value is expected", "Found None")),
        ({"test_week": 201499}, ("column 'test_week': a year and a week", "Found 201499")),
        ({"created_at": "yesterday"}, ("column 'created_at': a time like", "Found 'yesterday'")),
    ],
)
def test_bad_rows_are_named(change: dict[str, object], shown: tuple[str, ...], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in", {}, {"clickability_test_id": "t2"}, change)
    check_refusal(import_upworthy, path, tmp_path / "out", f"{path}, row 3, ", *shown)


def test_missing_column_and_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("headline,clicks\nx,1\n")
    check_refusal(
        import_upworthy, path, tmp_path / "out", "a.csv", "'clickability_test_id' is missing", "headline, clicks"
    )
    (tmp_path / "b.csv").write_text("x\n1\n")
    check_refusal(import_upworthy, tmp_path, tmp_path / "out", "exactly one file", "a.csv, b.csv")
    check_refusal(import_upworthy, tmp_path / "absent", tmp_path / "out", "absent: a file or a folder is expected")


def test_truncated_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "archive.parquet"
    pl.DataFrame([ROW]).write_parquet(path)
    path.write_bytes(path.read_bytes()[:200])
    check_refusal(import_upworthy, path, tmp_path / "out", "archive.parquet: cannot be read as a table")


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in", {"test_week": 201330})
    check_refusal(
        import_upworthy,
        path,
        tmp_path / "out",
        "at least one usable row is expected",
        "Found 1 rows, all dropped: 1 flag",
    )
    path.write_text(path.read_text().splitlines()[0])
    check_refusal(import_upworthy, path, tmp_path / "out", "at least one usable row is expected. Found 0 rows.")


def test_a_number_of_impressions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`num_impressions` applies to formats whose log is drawn"):
        import_upworthy(tmp_path, tmp_path / "out", num_impressions=10)
