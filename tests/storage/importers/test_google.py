"""Asset rows of Google Ads: limits, pins as rules, and what a slot may then show."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kits.importer import check_import, check_refusal, check_same_seed_same_dataset

from genco.data.rules import Block, Distinct, Pin
from genco.errors import ConfigError
from genco.runtime.legal_space import legal_space
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.importers import import_google
from genco.storage.importers.summary import RowError

RSA = """Ad group,Asset type,Asset,Pinned field,Asset status,Impressions
g1,Headline,Warm coats,,Enabled,10
g1,Headline,Light coats,HEADLINE_1,Enabled,20
g1,Headline,Coats from 49,,Enabled,5
g1,Headline,Free returns,2,Enabled,5
g1,Headline,Free delivery,HEADLINE_2,Enabled,5
g1,Description,Order today,,Enabled,5
g1,Description,Ask our staff,,Paused,5
g1,Description,Open all day,,Disapproved,5
"""


def write(folder: Path, text: str) -> Path:
    (folder / "assets.csv").write_text(text)
    return folder / "assets.csv"


def shown(dataset: Dataset, product: int = 0) -> list[set[str]]:
    """Texts that each slot shows in any legal combination."""
    space = legal_space(dataset.catalogue, product)
    rows = space.enumerate(space.size_bound)
    texts = dataset.catalogue.elements["text"].to_list()
    return [
        {texts[row] if row >= 0 else "" for row in space.candidates[slot][rows[:, slot]].tolist()}
        for slot in range(space.num_slots)
    ]


def test_pins_by_hand(tmp_path: Path) -> None:
    summary, dataset = check_import(import_google, write(tmp_path, RSA), tmp_path / "out", 0)
    assert (summary.rows_read, summary.rows_written, summary.dropped, summary.errors) == (8, 8, {}, ())
    assert "columns not imported: Impressions" in summary.notes
    assert [(slot.name, slot.required) for slot in dataset.meta.slots] == [
        *(("headline_1", True), ("headline_2", True), ("headline_3", False)),
        *(("description_1", True), ("description_2", False)),
    ]
    assert {Distinct, Pin, Block} == {type(rule) for rule in dataset.meta.rules}
    assert shown(dataset) == [
        {"Light coats"},
        {"Free returns", "Free delivery"},
        {"Warm coats", "Coats from 49", ""},
        {"Order today"},
        {""},
    ]


def test_limits(tmp_path: Path) -> None:
    lines = ["field_type,text,ad_group.id,pinned_field,status"]
    lines += [f"HEADLINE,headline {i},7,," for i in range(16)]
    lines += [f"HEADLINE,{'x' * 31},7,,", f"HEADLINE,{'绿' * 16},7,,", f"HEADLINE,{'绿' * 15},8,,", "SITELINK,a,7,,"]
    lines += ["DESCRIPTION,a,7,HEADLINE_1,", "DESCRIPTION,b,7,,", "DESCRIPTION,c,7,,what", "DESCRIPTION,d,7,,REMOVED"]
    lines += ["DESCRIPTION,e,7,,", "DESCRIPTION,b,7,,", "DESCRIPTION,,7,,"]
    summary, dataset = check_import(import_google, write(tmp_path, "\n".join(lines)), tmp_path / "out", 0)
    assert summary.rows_written == 15 + 2 and dataset.catalogue.products["product_id"].to_list() == ["7"]
    assert summary.dropped == {
        **{"too_many": 1, "too_long": 2, "not_in_profile": 1, "unknown_pin": 1, "unknown_status": 1},
        **{"removed": 1, "merged_same_content": 1, "empty": 1, "incomplete_product": 1},
    }
    assert RowError("17", "HEADLINE", "at most 30 characters, found 31", "x" * 31) in summary.errors
    assert RowError("18", "HEADLINE", "at most 30 characters, found 32", "绿" * 16) in summary.errors
    assert RowError("21", "pin", "a place of description", "HEADLINE_1") in summary.errors
    assert RowError("", "headline", "at least 3 of a product", "1 of 8") in summary.errors
    assert str(summary.errors[0]) == "row 16, HEADLINE: at most 15 of a product; found 'headline 15'"


def test_an_asset_of_two_places_and_one_that_waits(tmp_path: Path) -> None:
    """A second pin of one asset is refused; a paused asset does not keep its place from others."""
    lines = ["field_type,text,pin,status", *(f"HEADLINE,h{i},," for i in range(3)), "HEADLINE,p,HEADLINE_1,PAUSED"]
    lines += ["HEADLINE,q,HEADLINE_3,", "HEADLINE,q,HEADLINE_2,", "DESCRIPTION,a,,", "DESCRIPTION,b,,"]
    summary, dataset = check_import(import_google, write(tmp_path, "\n".join(lines)), tmp_path / "out", 0)
    assert summary.dropped == {"pinned_twice": 1}
    assert summary.errors == (RowError("6", "pin", "one place for 'q'", "HEADLINE_2"),)
    free = {"h0", "h1", "h2"}
    assert shown(dataset)[:3] == [free, free, {"q"}]


def test_pins_that_leave_a_slot_empty(tmp_path: Path) -> None:
    rows = "".join(f"HEADLINE,h{i},HEADLINE_1\n" for i in range(3)) + "DESCRIPTION,a,\nDESCRIPTION,b,\n"
    source = write(tmp_path, "field_type,text,pin\n" + rows)
    check_refusal(import_google, source, tmp_path / "x" / "out", "headline_2", "not pinned elsewhere", "assets")


def test_performance_max_and_cards(tmp_path: Path) -> None:
    rows = [("HEADLINE", f"h{i}") for i in range(3)] + [("LONG_HEADLINE", "l")]
    rows += [("DESCRIPTION", f"d{i}") for i in range(2)]
    text = "field_type,text,url\n" + "".join(f"{kind},{text},\n" for kind, text in rows)
    text += "".join(f"SQUARE_MARKETING_IMAGE,,https://a/{i}.png\n" for i in range(21))
    summary, dataset = check_import(import_google, write(tmp_path, text), tmp_path / "pmax", 0, profile="google_pmax")
    assert summary.dropped == {"too_many": 1}
    assert [slot.name for slot in dataset.meta.slots] == ["headline", "long_headline", "description", "image"]
    card = "type,text,url,product_id\nTITLE,t,,p\nIMAGE,,a.png,p\nTAG,new,,p\n"
    card += "".join(f"HIGHLIGHT,h{i},,p\n" for i in range(4))
    _, dataset = check_import(import_google, write(tmp_path, card), tmp_path / "card", 0, profile="jd_card")
    assert [slot.required for slot in dataset.meta.slots] == [True, True, True, True, True, False]


def test_refusals(tmp_path: Path) -> None:
    out = tmp_path / "x" / "out"
    source = write(tmp_path, "type,words\nHEADLINE,a\n")
    check_refusal(import_google, source, out, "assets.csv", "field_type", "type, words")
    source = write(tmp_path, "type,text\nHEADLINE,a\n")
    check_refusal(import_google, source, out, "at least 3 of a product", "1 of assets")
    check_refusal(import_google, write(tmp_path, "type,text\n"), out, "assets.csv: at least one complete", "no row")
    check_refusal(import_google, write(tmp_path, "Field type;text\n"), out, "seem to be separated by ';'")
    with pytest.raises(ConfigError, match="google_rsa"):
        import_google(tmp_path, out, profile="google_rsaa")


def test_same_file_same_dataset(tmp_path: Path) -> None:
    check_same_seed_same_dataset(import_google, write(tmp_path, RSA), tmp_path)
    assert open_dataset(tmp_path / "first").fingerprint() == open_dataset(tmp_path / "second").fingerprint()
