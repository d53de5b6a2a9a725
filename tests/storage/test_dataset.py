"""Reading a dataset folder: round trips, sampling, and one clear message for each kind of bad input."""

from __future__ import annotations

import contextlib
import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kits.small_dataset import ELEMENTS, IMPRESSIONS, part, spoil, write_small

from genco.data.catalogue import Slot
from genco.errors import DataError, UnknownIdError
from genco.storage.dataset import open_dataset
from genco.storage.dataset_toml import DatasetMeta
from genco.storage.validate import validate_dataset
from genco.storage.writer import DatasetWriter


def _read(folder: Path) -> None:
    list(open_dataset(folder).batches())


def test_round_trip(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    (batch,) = dataset.batches()
    assert dataset.num_rows == len(batch) == 12
    assert batch.product.tolist() == [0, 1] * 6
    assert batch.combination.tolist()[:3] == [[0, 3], [2, -1], [1, -1]]
    assert batch.num_impressions.tolist() == [1, 5] * 6
    assert batch.reward.tolist() == [0, 2] * 6
    assert batch.timestamp.tolist() == [1_000_000 * i for i in range(12)]
    assert batch.context["segment"].tolist() == ["new", "old", None] * 4
    assert batch.propensity[0] == 0.5
    assert np.isnan(batch.propensity[1])
    assert batch.product.dtype == batch.combination.dtype == np.int32
    assert batch.reward.dtype == batch.num_impressions.dtype == batch.propensity.dtype == np.float32
    assert dataset.catalogue.elements["text"].to_list() == ELEMENTS["text"].to_list()
    assert not dataset.has_truth


@pytest.mark.parametrize("batch_rows", [1, 5, 100])
def test_batches_of_any_size_hold_the_same_rows(tmp_path: Path, batch_rows: int) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    batches = list(dataset.batches(batch_rows))
    assert all(len(batch) <= batch_rows for batch in batches)
    (whole,) = dataset.batches()
    np.testing.assert_array_equal(np.concatenate([batch.combination for batch in batches]), whole.combination)


def test_files_are_read_in_order_of_name_and_hidden_ones_left_out(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    (folder / "impressions" / "day=2").mkdir()
    pl.read_parquet(part(folder)).with_columns(num_clicks=pl.lit(1)).write_parquet(
        folder / "impressions" / "day=2" / "x.parquet"
    )
    (folder / "impressions" / "_temporary.parquet").write_bytes(b"unfinished")
    dataset = open_dataset(folder)
    first, second = dataset.batches()
    assert dataset.num_rows == 24
    assert first.reward.tolist() == [1] * 12
    assert second.reward.tolist() == [0, 2] * 6


def test_columns_written_by_others(tmp_path: Path) -> None:
    """Categories, integer timestamps, small numbers, booleans, absent optional columns."""
    folder = write_small(tmp_path / "d")
    IMPRESSIONS.select(
        pl.col("product_id", "title").cast(pl.Categorical),
        pl.col("badge").cast(pl.String),
        pl.col("segment").cast(pl.Categorical),
        timestamp=pl.col("timestamp").cast(pl.Int64),
        num_clicks=pl.col("num_clicks") > 5,
    ).write_parquet(part(folder))
    (batch,) = open_dataset(folder).batches()
    assert batch.num_impressions.tolist() == [1] * 12
    assert batch.reward.tolist() == [0] * 12
    assert np.isnan(batch.propensity).all()
    assert batch.timestamp[3] == 3_000_000
    assert batch.context["segment"].tolist() == ["new", "old", None] * 4
    assert batch.combination.tolist()[:3] == [[0, 3], [2, -1], [1, -1]]


def test_optional_slot_that_is_always_empty(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    IMPRESSIONS.with_columns(badge=pl.lit(None)).write_parquet(part(folder))
    (batch,) = open_dataset(folder).batches()
    assert set(batch.combination[:, 1]) == {-1}


@pytest.mark.parametrize("reward", ["num_conversions", "revenue"])
def test_reward_is_the_column_the_dataset_names(tmp_path: Path, reward: str) -> None:
    meta = DatasetMeta("d", (Slot("title", "title"),), reward=reward)
    rows = IMPRESSIONS.select("product_id", "title", "num_impressions", pl.lit(1).alias(reward))
    with DatasetWriter(tmp_path / "d", meta) as writer:
        writer.write_products(pl.DataFrame({"product_id": ["p1", "p2"]}))
        writer.write_elements(ELEMENTS)
        writer.append_impressions(rows)
    (batch,) = open_dataset(tmp_path / "d").batches()
    assert batch.reward.tolist() == [1] * 12


def test_sample_is_uniform_repeatable_and_in_order(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    first, again, other = dataset.sample(5, 1), dataset.sample(5, 1), dataset.sample(5, 2)
    assert first.timestamp.tolist() == again.timestamp.tolist() == sorted(first.timestamp)
    assert first.timestamp.tolist() != other.timestamp.tolist()
    assert len(dataset.sample(1000, 0)) == 12
    counts = np.bincount(
        np.concatenate([dataset.sample(3, seed).timestamp // 1_000_000 for seed in range(200)]), minlength=12
    )
    assert counts.min() > 25
    assert counts.max() < 80


def test_dataset_without_impressions(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    shutil.rmtree(folder / "impressions")
    dataset = open_dataset(folder)
    assert dataset.num_rows == 0
    assert list(dataset.batches()) == []
    assert len(dataset.sample(5, 0)) == 0
    assert dataset.sample(5, 0).combination.shape == (0, 2)


def test_fingerprint_follows_content(tmp_path: Path) -> None:
    a, b = write_small(tmp_path / "a"), write_small(tmp_path / "b")
    assert open_dataset(a).fingerprint() == open_dataset(b).fingerprint()
    spoil(b / "catalogue/products.parquet", "price", 0, 11.0)
    assert open_dataset(a).fingerprint() != open_dataset(b).fingerprint()
    c = write_small(tmp_path / "c")
    pl.read_parquet(part(c)).head(11).write_parquet(part(c))
    assert open_dataset(a).fingerprint() != open_dataset(c).fingerprint()


CELLS: list[tuple[str, str, int, Any, type[DataError], str]] = [
    ("unknown product", "product_id", 3, "p9", UnknownIdError, "row 3, column 'product_id'.*Found 'p9'"),
    ("no product", "product_id", 3, None, DataError, "row 3, column 'product_id'.*Found None"),
    ("unknown element", "title", 4, "t9", UnknownIdError, "row 4, column 'title': an element_id of.*Found 't9'"),
    ("of another product", "title", 0, "t3", DataError, "row 0, column 'title'.*row's product.*Found 't3'"),
    ("of another component", "badge", 2, "t1", DataError, "row 2, column 'badge'.*component 'badge'.*Found 't1'"),
    ("empty required slot", "title", 1, None, DataError, "row 1, column 'title'.*slot is required.*Found None"),
    ("negative count", "num_clicks", 5, -1, DataError, "row 5, column 'num_clicks': a whole number.*Found -1"),
    ("negative impressions", "num_impressions", 5, -2, DataError, "row 5, column 'num_impressions'.*Found -2"),
    ("no count", "num_clicks", 5, None, DataError, "row 5, column 'num_clicks': a number is expected.*Found None"),
    ("clicks above", "num_clicks", 0, 2, DataError, "row 0, column 'num_clicks': at most.*num_impressions.*Found 2"),
    ("propensity 0", "propensity", 7, 0.0, DataError, r"row 7, column 'propensity'.*\(0, 1\].*Found 0.0"),
    ("propensity above 1", "propensity", 7, 1.5, DataError, r"row 7, column 'propensity'.*\(0, 1\].*Found 1.5"),
    ("propensity NaN", "propensity", 7, float("nan"), DataError, r"row 7, column 'propensity'.*Found nan"),
]


@pytest.mark.parametrize(
    ("column", "row", "value", "error", "message"), [c[1:] for c in CELLS], ids=[c[0] for c in CELLS]
)
def test_bad_cell_is_named(
    tmp_path: Path, column: str, row: int, value: Any, error: type[DataError], message: str
) -> None:
    folder = write_small(tmp_path / "d")
    spoil(part(folder), column, row, value)
    with pytest.raises(error, match=f"part-00000.parquet, {message}"):
        _read(folder)
    with pytest.raises(error):
        open_dataset(folder).sample(12, 0)
    (violation,) = validate_dataset(folder)
    assert (violation.file, violation.row, violation.column) == (str(part(folder)), row, column)
    assert re.search(message, violation.message)


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_fractional_or_infinite_count_is_named(tmp_path: Path, value: float) -> None:
    folder = write_small(tmp_path / "d")
    spoil(part(folder), "num_clicks", 3, value, pl.Float64())
    with pytest.raises(DataError, match=f"row 3, column 'num_clicks': .*Found {value}"):
        _read(folder)


def test_infinite_context_number_is_named(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(part(folder), "segment", 0, None)
    table = pl.read_parquet(part(folder)).with_columns(segment=pl.Series([1.0] * 8 + [float("inf")] * 4))
    table.write_parquet(part(folder))
    with pytest.raises(DataError, match=r"row 8, column 'segment': a finite number .*Found inf"):
        _read(folder)


def test_row_number_counts_from_the_start_of_the_file(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    spoil(part(folder), "title", 11, "t9")
    with pytest.raises(UnknownIdError, match=r"row 11, "):
        list(open_dataset(folder).batches(batch_rows=5))


def _drop(column: str) -> Callable[[Path], None]:
    return lambda folder: pl.read_parquet(part(folder)).drop(column).write_parquet(part(folder))


def _truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:200])


FOLDERS: list[tuple[str, Callable[[Path], Any], str]] = [
    ("no slot column", _drop("badge"), "part-00000.parquet, column 'badge': the column is missing"),
    ("no context column", _drop("segment"), "column 'segment': the column is missing. Found impression_id, "),
    ("no reward column", _drop("num_clicks"), "column 'num_clicks': the column is missing"),
    ("truncated log", _truncate("impressions/part-00000.parquet"), "part-00000.parquet: a complete Parquet file"),
    ("truncated products", _truncate("catalogue/products.parquet"), "products.parquet: a complete Parquet file"),
    ("no elements", lambda folder: (folder / "catalogue/elements.parquet").unlink(), "elements.parquet.*is missing"),
    (
        "mistyped column",
        lambda folder: pl.read_parquet(part(folder)).with_columns(title=1).write_parquet(part(folder)),
        "column 'title': a column of texts is expected. Found type int32",
    ),
    (
        "mistyped count",
        lambda folder: pl.read_parquet(part(folder)).with_columns(num_clicks=pl.lit("1")).write_parquet(part(folder)),
        "column 'num_clicks': a column of numbers is expected. Found type",
    ),
    (
        "no approved element",
        lambda folder: ELEMENTS.with_columns(status=pl.lit("blocked")).write_parquet(
            folder / "catalogue/elements.parquet"
        ),
        "elements.parquet, column 'status': an approved element of component 'title' is expected for at least one "
        "product, as slot 'title' is required. Found none",
    ),
]


@pytest.mark.parametrize(("break_it", "message"), [f[1:] for f in FOLDERS], ids=[f[0] for f in FOLDERS])
def test_broken_folder_is_named(tmp_path: Path, break_it: Callable[[Path], Any], message: str) -> None:
    folder = write_small(tmp_path / "d")
    break_it(folder)
    with pytest.raises(DataError, match=message):
        _read(folder)
    assert any(re.search(message, violation.message) for violation in validate_dataset(folder))


def test_empty_and_absent_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: a dataset folder with a dataset.toml is expected. Found an empty"):
        open_dataset(tmp_path / "empty")
    with pytest.raises(DataError, match=r"Found no such folder"):
        open_dataset(tmp_path / "absent")
    assert len(validate_dataset(tmp_path / "empty")) == 1


CATALOGUE_CELLS: list[tuple[str, str, int, Any, str]] = [
    ("elements", "element_id", 1, "t1", "elements.parquet, row 1, column 'element_id'.*no earlier row.*Found 't1'"),
    ("elements", "element_id", 1, "", "row 1, column 'element_id'.*not empty.*Found ''"),
    ("elements", "product_id", 1, "p9", "row 1, column 'product_id': a product_id of the catalogue.*Found 'p9'"),
    ("elements", "component", 1, None, "row 1, column 'component'.*Found None"),
    ("elements", "status", 2, "live", "row 2, column 'status': one of approved, pending, blocked.*Found 'live'"),
    ("elements", "length", 3, float("inf"), "row 3, column 'length': a finite number .*Found inf"),
    ("products", "product_id", 1, "p1", "products.parquet, row 1, column 'product_id'.*Found 'p1'"),
    ("products", "price", 1, float("nan"), "row 1, column 'price': a finite number .*Found nan"),
]


@pytest.mark.parametrize(("table", "column", "row", "value", "message"), CATALOGUE_CELLS)
def test_bad_cell_of_the_catalogue_is_named(
    tmp_path: Path, table: str, column: str, row: int, value: Any, message: str
) -> None:
    folder = write_small(tmp_path / "d")
    spoil(folder / f"catalogue/{table}.parquet", column, row, value)
    with pytest.raises(DataError, match=message):
        _ = open_dataset(folder).catalogue
    assert any(re.search(message, violation.message) for violation in validate_dataset(folder))


IDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_text_survives_the_round_trip(tmp_path: Path, data: st.DataObject) -> None:
    product_ids = data.draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    element_ids = data.draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
    texts = data.draw(st.lists(st.text(max_size=30), min_size=len(element_ids), max_size=len(element_ids)))
    rows = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(product_ids),
                st.none() | st.sampled_from(element_ids),
                st.none() | st.text(max_size=8),
                st.integers(0, 1000),
                st.none() | st.floats(1e-6, 1.0),
            ),
            max_size=20,
        )
    )
    schema = {"product_id": pl.String, "s": pl.String, "c": pl.String, "num_clicks": pl.Int64, "propensity": pl.Float64}
    log = pl.DataFrame(rows, schema=schema, orient="row").with_columns(num_impressions=pl.lit(1000))
    meta = DatasetMeta("π — 名", (Slot("s", "kind", required=False),), context=("c",))
    with DatasetWriter(tmp_path / "d", meta, overwrite=True) as writer:
        writer.write_products(pl.DataFrame({"product_id": product_ids}))
        writer.write_elements(
            pl.DataFrame({"element_id": element_ids, "text": texts}).with_columns(component=pl.lit("kind"))
        )
        writer.append_impressions(log)
    dataset = open_dataset(tmp_path / "d")
    batch = dataset.sample(len(rows), 0)
    assert dataset.meta == meta
    assert dataset.catalogue.elements["text"].to_list() == texts
    assert [product_ids[row] for row in batch.product] == [row[0] for row in rows]
    assert [None if e < 0 else element_ids[e] for e in batch.combination[:, 0]] == [row[1] for row in rows]
    assert batch.context["c"].tolist() == [row[2] for row in rows]
    assert batch.reward.tolist() == [row[3] for row in rows]
    given = np.array([np.nan if row[4] is None else row[4] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(batch.propensity, given)
    assert validate_dataset(tmp_path / "d") == []


def test_long_titles_pass(tmp_path: Path) -> None:
    folder, title = write_small(tmp_path / "d"), "標題 " * 2500
    spoil(folder / "catalogue/elements.parquet", "text", 0, title)
    assert open_dataset(folder).catalogue.elements["text"][0] == title
    assert validate_dataset(folder) == []


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Python's side of it: the peak of 40 small row groups is that of a few."""
    folder = write_small(tmp_path / "d")
    pq.write_table(pl.concat([IMPRESSIONS] * 4000).to_arrow(), part(folder), row_group_size=1200)
    dataset = open_dataset(folder)
    peaks = []
    for rows in (1200, 12_000):
        tracemalloc.start()
        assert sum(len(batch) for batch in dataset.batches(rows)) == 48_000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 5_000_000


@pytest.mark.parametrize(
    "name", ["impressions/part-00000.parquet", "catalogue/elements.parquet", "catalogue/products.parquet"]
)
def test_damaged_bytes_never_give_a_traceback(tmp_path: Path, name: str) -> None:
    """Whatever byte is flipped: the file reads, or a genco error names it; validation always answers."""
    folder = write_small(tmp_path / "d")
    content, rng = (folder / name).read_bytes(), np.random.default_rng(0)
    for position in rng.integers(len(content), size=60):
        spoilt = bytearray(content)
        spoilt[position] ^= int(rng.integers(1, 256))
        (folder / name).write_bytes(spoilt)
        validate_dataset(folder)
        with contextlib.suppress(DataError):
            _read(folder)
