"""Writing a dataset folder: whole or not at all, in row groups, with defaults filled in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from tests.kits.small_dataset import ELEMENTS, IMPRESSIONS, PRODUCTS, part, small_meta, write_small

from genco.errors import DataError, UnknownIdError
from genco.storage import writer as writer_module
from genco.storage.dataset import open_dataset
from genco.storage.validate import validate_dataset
from genco.storage.writer import DatasetWriter


def test_doubled_ids_leave_nothing_behind(tmp_path: Path) -> None:
    """Rows are counted from the first one appended."""
    message = r"impressions, row 13, column 'impression_id': .* Found 'i1'"
    with pytest.raises(DataError, match=message), DatasetWriter(tmp_path / "d", small_meta()) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        writer.append_impressions(IMPRESSIONS)
        again = pl.Series("impression_id", ["j0", "i1"])
        writer.append_impressions(IMPRESSIONS.head(2).with_columns(again))
    assert list(tmp_path.iterdir()) == []


def test_columns_and_defaults(tmp_path: Path) -> None:
    meta = small_meta(context=())
    with DatasetWriter(tmp_path / "d", meta) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(pl.DataFrame({"element_id": ["t1", "b"], "component": ["title", "badge"]}))
        for _ in range(2):
            writer.append_impressions(
                pl.DataFrame({"product_id": ["p1"], "title": ["t1"], "badge": ["b"], "num_clicks": [1]})
            )
    elements = open_dataset(tmp_path / "d").catalogue.elements
    assert elements.row(0) == ("t1", "title", None, None, None, "approved")
    log = pl.read_parquet(part(tmp_path / "d"))
    assert log.columns == [
        *("impression_id", "timestamp", "product_id", "title", "badge", "num_impressions", "num_clicks"),
        *("num_conversions", "revenue", "propensity", "policy", "model_version"),
    ]
    assert log.row(1) == ("0000000001", None, "p1", "t1", "b", 1, 1, 0, 0.0, None, None, None)


def test_row_groups_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appended pieces of any size become row groups of one size; files hold a fixed number of them."""
    monkeypatch.setattr(writer_module, "ROW_GROUP_ROWS", 10)
    monkeypatch.setattr(writer_module, "ROW_GROUPS_PER_FILE", 2)
    with DatasetWriter(tmp_path / "d", small_meta()) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        for rows in (3, 0, 12, 1, 12, 7):
            writer.append_impressions(IMPRESSIONS.head(rows).drop("impression_id"))
    files = sorted((tmp_path / "d" / "impressions").iterdir())
    groups = [
        [pq.ParquetFile(file).metadata.row_group(i).num_rows for i in range(pq.ParquetFile(file).num_row_groups)]
        for file in files
    ]
    assert groups == [[10, 10], [10, 5]]
    log = pl.read_parquet(tmp_path / "d" / "impressions")
    assert log["impression_id"].to_list()[:5] == [f"{row:010}" for row in range(5)]
    assert open_dataset(tmp_path / "d").num_rows == 35


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_behind_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), DatasetWriter(tmp_path / "d", small_meta()) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        writer.append_impressions(IMPRESSIONS)
        raise error
    assert list(tmp_path.iterdir()) == []


def test_bad_rows_stop_the_writer(tmp_path: Path) -> None:
    bad = IMPRESSIONS.with_columns(title=pl.lit("t9"))
    with (
        pytest.raises(UnknownIdError, match=r"impressions, row 12, column 'title'.*'t9'"),
        DatasetWriter(tmp_path / "d", small_meta()) as writer,
    ):
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        writer.append_impressions(IMPRESSIONS)
        writer.append_impressions(bad)
    assert list(tmp_path.iterdir()) == []


def test_unknown_column_and_wrong_order(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"come before impressions"),
        DatasetWriter(tmp_path / "d", small_meta()) as writer,
    ):
        writer.append_impressions(IMPRESSIONS)
    with (
        pytest.raises(DataError, match=r"unknown column 'revenues'. Did you mean 'revenue'?"),
        DatasetWriter(tmp_path / "d", small_meta()) as writer,
    ):
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        writer.append_impressions(IMPRESSIONS.with_columns(revenues=1.0))


def test_existing_folders(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    with pytest.raises(DataError, match=r"d: a folder that does not exist yet is expected"):
        write_small(folder)
    with DatasetWriter(folder, small_meta(name="second"), overwrite=True) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
    assert open_dataset(folder).meta.name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    other = tmp_path / "home"
    other.mkdir()
    write_small(other / "d")
    (other / "d" / "dataset.toml").rename(other / "thesis.txt")
    with pytest.raises(DataError, match=r"only a dataset folder is overwritten. Found no dataset.toml"):
        DatasetWriter(other, small_meta(), overwrite=True)
    (tmp_path / "empty").mkdir()
    assert open_dataset(write_small(tmp_path / "empty")).num_rows == 12


def test_failed_overwrite_keeps_the_old_dataset(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d")
    with pytest.raises(RuntimeError), DatasetWriter(folder, small_meta(name="new"), overwrite=True) as writer:
        writer.write_products(PRODUCTS)
        raise RuntimeError
    assert open_dataset(folder).meta.name == "small"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_truth_and_assets(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "d", small_meta()) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(ELEMENTS)
        writer.write_asset("assets/a b.png", b"png")
        writer.write_truth({"keys": np.arange(3)}, {"kind": "table", "context_values": [""]})
        for path in ("../x", "/x", "a/../../x", ""):
            with pytest.raises(DataError, match=r"stay inside the dataset folder"):
                writer.write_asset(path, b"")
    dataset = open_dataset(tmp_path / "d")
    arrays, info = dataset.read_truth()
    assert arrays["keys"].tolist() == [0, 1, 2]
    assert info == {"kind": "table", "context_values": [""]}
    assert (tmp_path / "d" / "assets" / "a b.png").read_bytes() == b"png"
    (tmp_path / "d" / "truth" / "world.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DataError, match=r"world.npz: a complete file of arrays"):
        dataset.read_truth()
    with pytest.raises(DataError, match=r"a dataset with a truth is expected"):
        open_dataset(write_small(tmp_path / "e")).read_truth()


def test_croissant_describes_every_column(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "d", origin={"license": "CC-BY-4.0", "citation": "Us, 2026"})
    described = json.loads((folder / "dataset.croissant.json").read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert (described["license"], described["citeAs"]) == ("CC-BY-4.0", "Us, 2026")
    fields = {record["@id"]: [field["name"] for field in record["field"]] for record in described["recordSet"]}
    assert fields["products"] == ["product_id", "price"]
    assert fields["elements"] == ELEMENTS.columns
    assert fields["impressions"] == pl.read_parquet(part(folder)).columns
    kinds = {field["@id"]: field["dataType"] for record in described["recordSet"] for field in record["field"]}
    assert kinds["impressions/num_clicks"] == "sc:Integer"
    assert kinds["impressions/propensity"] == kinds["elements/length"] == "sc:Float"
    assert kinds["impressions/timestamp"] == "sc:Date"
    assert kinds["impressions/title"] == "sc:Text"
    assert validate_dataset(folder) == []
