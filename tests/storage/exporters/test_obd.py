"""Open Bandit CSV: read back by `genco import obd` and by obp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.exporter import check_export, check_refusals
from tests.kits.small_dataset import IMPRESSIONS, small_meta, write_small
from tests.storage.importers.test_obd import write_campaign

from genco.errors import DataError
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.exporters import export_obd
from genco.storage.importers import import_obd
from genco.storage.validate import validate_dataset
from genco.storage.writer import DatasetWriter


def test_by_hand(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    done = check_export(export_obd, dataset, tmp_path / "out", 6, 30)
    assert done.path == tmp_path / "out" / "mixed" / "small"
    log = (done.path / "small.csv").read_text().splitlines()
    names = ["timestamp", "item_id", "position", "click", "propensity_score", *(f"user_feature_{i}" for i in range(4))]
    assert log[0].split(",")[1:] == names
    assert log[1] == "0,1970-01-01 00:00:00.000000+00:00,0,1,0,0.5,p1,new,none,none"
    assert log[2] == "1,1970-01-01 00:00:02.000000+00:00,1,1,0,0.5,p1,none,none,none"
    items = (done.path / "item_context.csv").read_text().splitlines()
    assert items[0].split(",")[1:] == ["item_id", "item_feature_0", "item_feature_1", "item_feature_2"]
    assert items[1:] == ["0,0,0.0,t1,b1", "1,1,0.0,t2,none", "2,2,0.0,t1,none", "3,3,0.0,t2,b1"]
    check_refusals(export_obd, tmp_path)


def test_the_importer_reads_it_back(pairs: Dataset, tmp_path: Path) -> None:
    done = export_obd(pairs, tmp_path / "out")
    summary = import_obd(done.path, tmp_path / "back")
    assert validate_dataset(tmp_path / "back") == []
    assert summary.rows_written == done.rows == pairs.num_rows
    ours, back = rows_of(pairs), rows_of(open_dataset(tmp_path / "back"))
    for column in ("num_clicks", "propensity", "timestamp"):
        assert ours[column].equals(back[column]), column
    assert ours["product_id"].cast(pl.String).equals(back["user_feature_0"])
    items = open_dataset(tmp_path / "back").catalogue.elements
    shown = back.select("item").join(items, left_on="item", right_on="element_id", how="left", maintain_order="left")
    for number, slot in enumerate(pairs.meta.slots):
        assert ours[slot.name].cast(pl.String).equals(shown[f"item_feature_{1 + number}"])


def rows_of(dataset: Dataset) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file.path) for file in dataset.files])


def test_an_imported_campaign_comes_out_as_it_went_in(tmp_path: Path) -> None:
    changes = [
        {"item_id": i % 2, "position": 1 + i % 3, "click": int(i % 7 == 0), "propensity_score": 1 / (3 + i)}
        for i in range(40)
    ]
    source = write_campaign(tmp_path, *changes)
    import_obd(source, tmp_path / "data")
    done = export_obd(open_dataset(tmp_path / "data"), tmp_path / "out")
    assert done.path == tmp_path / "out" / "random" / "men"
    columns = ["item_id", "position", "click", "propensity_score", *(f"user_feature_{i}" for i in range(4))]
    before, after = (pl.read_csv(folder / "men.csv") for folder in (source, done.path))
    assert before.select(columns).equals(after.select(columns))


def test_obp_reads_it(pairs: Dataset, tmp_path: Path) -> None:
    """obp's own reader; it knows the policies and campaigns of ZOZO only, and its features fail on pandas 3."""
    obp_dataset = pytest.importorskip("obp.dataset")
    done = export_obd(pairs, tmp_path / "out")
    place = tmp_path / "zozo" / "random"
    place.mkdir(parents=True)
    done.path.rename(place / "all")
    (place / "all" / f"{done.path.name}.csv").rename(place / "all" / "all.csv")

    class Plain(obp_dataset.OpenBanditDataset):  # type: ignore[misc, name-defined]
        def pre_process(self) -> None:
            self.context = self.data.filter(like="user_feature").to_numpy()
            self.action_context = self.item_context.filter(like="item_feature").to_numpy()

    feedback = Plain("random", "all", data_path=tmp_path / "zozo").obtain_batch_bandit_feedback()
    rows = rows_of(pairs)
    assert (feedback["n_rounds"], feedback["reward"].sum()) == (rows.height, rows["num_clicks"].sum())
    assert feedback["n_actions"] == len(feedback["action_context"])
    np.testing.assert_array_equal(np.sort(feedback["pscore"]), rows["propensity"].sort().to_numpy())


def test_a_position_that_is_no_whole_number_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    with DatasetWriter(tmp_path / "e", small_meta(context=("position",))) as writer:
        writer.write_products(dataset.catalogue.products)
        writer.write_elements(dataset.catalogue.elements)
        writer.append_impressions(IMPRESSIONS.rename({"segment": "position"}))
    with pytest.raises(DataError, match="whole numbers"):
        export_obd(open_dataset(tmp_path / "e"), tmp_path / "out")
