"""Open Bandit importer, on a small file of the same columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.importer import check_import, check_refusal, check_same_seed_same_dataset

from genco.storage.importers import obd
from genco.storage.importers.obd import import_obd

ROW = {
    "timestamp": "2019-11-24 00:03:13.442536+00:00",
    "item_id": 1,
    "position": 3,
    "click": 0,
    "propensity_score": 0.5,
    "user_feature_0": "u0",
    "user_feature_1": "u1",
    "user_feature_2": "u2",
    "user_feature_3": "u3",
    "user-item_affinity_0": 0.0,
    "user-item_affinity_1": 1.0,
}


def write_campaign(folder: Path, *changes: dict[str, object], items: str | None = None) -> Path:
    """Return the folder of a campaign `men` under the policy `random`."""
    campaign = folder / "obd" / "random" / "men"
    campaign.mkdir(parents=True)
    rows = pl.DataFrame([{**ROW, **change} for change in changes], infer_schema_length=None).with_row_index("")
    rows.write_csv(campaign / "men.csv")
    items = items or ",item_id,item_feature_0,item_feature_1\n0,0,-0.5,aa\n1,1,0.75,bb\n"
    (campaign / "item_context.csv").write_text(items)
    return campaign


def test_by_hand(tmp_path: Path) -> None:
    later = {
        "timestamp": "2019-11-24 00:03:14+00:00",
        "item_id": 0,
        "click": 1,
        "position": 1,
        "propensity_score": 0.25,
    }
    summary, dataset = check_import(import_obd, write_campaign(tmp_path, {}, later), tmp_path / "out", 2)
    assert summary.name == "obd-random-men"
    assert dataset.meta.context == ("position", "user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
    assert dataset.catalogue.products["product_id"].to_list() == ["men"]
    elements = dataset.catalogue.elements
    assert elements.select("element_id", "item_feature_0", "item_feature_1").rows() == [
        ("item-0", -0.5, "aa"),
        ("item-1", 0.75, "bb"),
    ]
    (batch,) = dataset.batches()
    assert batch.combination.tolist() == [[1], [0]]
    assert batch.reward.tolist() == [0, 1]
    assert batch.propensity.tolist() == [0.5, 0.25]
    assert [str(value) for value in batch.context["position"]] == ["3", "1"]
    assert batch.timestamp.astype("datetime64[us]").astype(str).tolist() == [
        "2019-11-24T00:03:13.442536",
        "2019-11-24T00:03:14.000000",
    ]


def test_the_file_itself_is_a_source(tmp_path: Path) -> None:
    check_import(import_obd, write_campaign(tmp_path, {}) / "men.csv", tmp_path / "out", 1)


def test_chunks_join_without_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obd, "CHUNK_ROWS", 100)
    changes = [{"item_id": i % 2, "click": int(i % 7 == 0)} for i in range(1_050)]
    _, dataset = check_import(import_obd, write_campaign(tmp_path, *changes), tmp_path / "out", 1_050)
    rows = np.concatenate([batch.combination[:, 0] for batch in dataset.batches()])
    np.testing.assert_array_equal(rows, np.arange(1_050) % 2)


def test_bad_row_in_a_late_chunk_has_its_number_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obd, "CHUNK_ROWS", 100)
    source = write_campaign(tmp_path, *[{}] * 500, {"click": 2})
    check_refusal(import_obd, source, tmp_path / "out", "men.csv, row 501, column 'click': 0 or 1 is expected. Found 2")


def test_import_repeats(tmp_path: Path) -> None:
    check_same_seed_same_dataset(import_obd, write_campaign(tmp_path, {}, {"click": 1}), tmp_path)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"item_id": 9}, ("column 'item_id': an item of item_context.csv is expected", "Found 9")),
        ({"propensity_score": 0.0}, ("column 'propensity_score': a propensity in (0, 1] is expected", "Found 0.0")),
        ({"propensity_score": 1.5}, ("column 'propensity_score': a propensity in (0, 1] is expected", "Found 1.5")),
        ({"position": 4}, ("column 'position': 1, 2 or 3 is expected", "Found 4")),
        ({"click": "no"}, ("column 'click': a whole number is expected", "Found 'no'")),
        ({"timestamp": "noon"}, ("column 'timestamp': a time like", "Found 'noon'")),
        ({"user_feature_2": None}, ("column 'user_feature_2': a value is expected", "Found None")),
    ],
)
def test_bad_rows_are_named(change: dict[str, object], shown: tuple[str, ...], tmp_path: Path) -> None:
    source = write_campaign(tmp_path, {}, change)
    check_refusal(import_obd, source, tmp_path / "out", "men.csv, row 2, ", *shown)


def test_bad_items_are_named(tmp_path: Path) -> None:
    twice = "item_id,item_feature_0\n0,1\n0,2\n"
    source = write_campaign(tmp_path, {}, items=twice)
    check_refusal(
        import_obd, source, tmp_path / "out", "item_context.csv, row 2, column 'item_id': every item is listed"
    )
    (source / "item_context.csv").write_text("item_id,item_feature_0\n0,1\n1,nan\n")
    check_refusal(import_obd, source, tmp_path / "out", "item_context.csv, row 2, column 'item_feature_0'", "Found nan")
    (source / "item_context.csv").unlink()
    check_refusal(import_obd, source, tmp_path / "out", "item_context.csv: cannot be read as a table")


def test_a_folder_of_campaigns_asks_for_one(tmp_path: Path) -> None:
    source = write_campaign(tmp_path, {})
    check_refusal(import_obd, source.parent, tmp_path / "out", "exactly one file", "Found none")
