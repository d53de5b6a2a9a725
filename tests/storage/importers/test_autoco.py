"""AutoCO importer: the real table, and bad rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.importer import check_import, check_refusal, check_same_seed_same_dataset
from tests.kits.real_data import real_data

from genco.data.rules import Only
from genco.storage.importers.autoco import import_autoco

ROW = {"item": 0, "pos": 0, "f0": 1, "f1": 2, "e0": 0, "e1": 0, "e2": 0, "e3": 0, "ctr": 0.25}


def write_csv(folder: Path, *changes: dict[str, object]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "item_ctr.csv"
    pl.DataFrame([{**ROW, **change} for change in changes], infer_schema_length=None).write_csv(path)
    return path


def test_real_table(tmp_path: Path) -> None:
    source = real_data("autoco")
    summary, dataset = check_import(import_autoco, source, tmp_path / "out", 200_000, num_impressions=200_000)
    assert (summary.rows_read, summary.rows_written) == (11_157, 11_157)
    catalogue = dataset.catalogue
    assert (catalogue.num_products, catalogue.num_elements) == (167, 13)
    assert catalogue.products.columns == ["product_id", "f0", "f1"]
    assert all(isinstance(rule, Only) for rule in catalogue.rules)
    sizes = [len(rule.combinations) for rule in catalogue.rules if isinstance(rule, Only)]
    assert (len(sizes), sum(sizes), min(sizes), max(sizes)) == (167, 11_157, 23, 90)
    _check_truth(dataset.read_truth()[0], source, catalogue.num_elements)
    for batch in dataset.batches():
        np.testing.assert_allclose(1 / batch.propensity, np.array(sizes)[batch.product], rtol=1e-5)


def _check_truth(arrays: dict[str, np.ndarray], source: Path, num_elements: int) -> None:
    published = pl.read_csv(source / "item_ctr.csv").sort("item", "e0", "e1", "e2", "e3")
    first = np.cumsum([0, 2, 3, 3])
    np.testing.assert_array_equal(arrays["keys"][:, 0], published["item"])
    np.testing.assert_array_equal(arrays["keys"][:, 1:] - first, published.select("e0", "e1", "e2", "e3").to_numpy())
    np.testing.assert_allclose(arrays["rates"], published["ctr"])
    assert arrays["keys"][:, 1:].max() == num_elements - 1


def test_rates_are_recovered_from_the_log(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in", {}, {"e3": 1, "ctr": 0.75}, {"item": 7, "ctr": 0.5})
    _, dataset = check_import(import_autoco, path, tmp_path / "out", 6_000, num_impressions=6_000)
    (batch,) = dataset.batches()
    assert dataset.catalogue.products["product_id"].to_list() == ["item-0", "item-7"]
    last = dataset.catalogue.element_rows["e3-1"]
    for rows, rate in (
        (batch.combination[:, 3] == last, 0.75),
        ((batch.product == 0) & (batch.combination[:, 3] != last), 0.25),
        (batch.product == 1, 0.5),
    ):
        assert abs(batch.reward[rows].mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / rows.sum())


def test_seed_decides_the_log(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in", {}, {"e3": 1})
    check_same_seed_same_dataset(import_autoco, path, tmp_path, num_impressions=50, seed=3)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"ctr": 1.5}, ("column 'ctr': a rate in [0, 1] is expected", "Found 1.5")),
        ({"ctr": None}, ("column 'ctr': a rate in [0, 1] is expected", "Found None")),
        ({"e0": -1}, ("column 'e0': a number from 0 is expected", "Found -1")),
        ({"e0": "a"}, ("column 'e0': a whole number is expected", "Found 'a'")),
        ({"e1": 1, "f1": 9}, ("column 'f1': one value per item is expected", "Found 9")),
    ],
)
def test_bad_rows_are_named(change: dict[str, object], shown: tuple[str, ...], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in", {}, change)
    check_refusal(import_autoco, path, tmp_path / "out", f"{path}, row 2, ", *shown)


def test_a_combination_listed_twice_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in", {"item": 5}, {}, {"pos": 1})
    check_refusal(import_autoco, path, tmp_path / "out", f"{path}, row 3, ", "is listed once", "Found 0")


def test_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.csv"
    path.write_text("item,ctr\n0,0.5\n")
    check_refusal(import_autoco, path, tmp_path / "out", "x.csv: column 'f0' is missing. Found item, ctr")
