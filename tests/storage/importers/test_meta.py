"""Meta's asset_feed_spec: what is kept, what is left out and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.kits.importer import check_import, check_refusal, check_same_seed_same_dataset

from genco.storage.importers import import_meta
from genco.storage.importers.summary import RowError

SPEC: dict[str, Any] = {
    "images": [{"hash": "abc", "url": "https://a/b.png"}, {"hash": "def"}],
    "videos": [{"video_id": "9", "thumbnail_url": "https://a/9.png"}],
    "bodies": [{"text": "Warm and light"}, {"text": "Warm and light"}],
    "titles": [{"text": "Coat 外套"}],
    "call_to_action_types": ["SHOP_NOW", "LEARN_MORE"],
    "link_urls": [{"website_url": "https://a"}],
    "ad_formats": ["AUTOMATIC_FORMAT"],
}


def write(folder: Path, value: Any) -> Path:
    (folder / "feed.json").write_text(json.dumps(value))
    return folder / "feed.json"


def test_by_hand(tmp_path: Path) -> None:
    summary, dataset = check_import(import_meta, write(tmp_path, {"asset_feed_spec": SPEC}), tmp_path / "out", 0)
    assert (summary.rows_read, summary.rows_written) == (8, 7)
    assert summary.dropped == {"merged_same_content": 1} and summary.errors == ()
    assert "not imported: 1 of link_urls" in summary.notes
    assert [(slot.name, slot.required) for slot in dataset.meta.slots] == [
        ("media", True),
        ("body", True),
        ("title", True),
        ("call_to_action", True),
    ]
    elements = dataset.catalogue.elements
    assert dataset.catalogue.products["product_id"].to_list() == ["feed"]
    assert elements["text"].to_list()[3:] == ["Warm and light", "Coat 外套", "SHOP_NOW", "LEARN_MORE"]
    assert elements["image_uri"].to_list()[:3] == ["https://a/b.png", "def", "https://a/9.png"]


def test_several_ads_and_their_limits(tmp_path: Path) -> None:
    many = {**SPEC, "titles": [{"text": f"t{i}"} for i in range(7)], "descriptions": [{"text": " "}, {"words": "x"}]}
    ads = [{"id": "a1", "asset_feed_spec": many}, {"name": "second", "asset_feed_spec": SPEC}]
    ads.append({"bodies": [{"text": "no picture"}]})
    summary, dataset = check_import(import_meta, write(tmp_path, ads), tmp_path / "out", 0)
    assert dataset.catalogue.products["product_id"].to_list() == ["a1", "second"]
    assert summary.dropped == {"merged_same_content": 2, "too_many": 2, "empty": 2, "incomplete_product": 1}
    assert RowError("a1/titles/6", "titles", "at most 5 of a product", "t5") in summary.errors
    assert RowError("a1/descriptions/1", "descriptions", "content is expected", " ") in summary.errors
    assert RowError("", "media", "at least 1 of a product", "0 of feed-3") in summary.errors


def test_thirty_assets_in_all(tmp_path: Path) -> None:
    full = {
        "images": [{"hash": str(i)} for i in range(10)],
        **{name: [{"text": f"{name}{i}"} for i in range(5)] for name in ("bodies", "titles", "descriptions")},
        "call_to_action_types": [f"C{i}" for i in range(5)],
    }
    summary, _ = check_import(import_meta, write(tmp_path, full), tmp_path / "out", 0)
    assert (summary.rows_written, summary.dropped) == (30, {})


def test_refusals(tmp_path: Path) -> None:
    out = tmp_path / "x" / "out"
    check_refusal(import_meta, write(tmp_path, []), out, "feed.json: at least one complete product", "no row")
    check_refusal(import_meta, write(tmp_path, [3]), out, "feed.json, ad 1", "Found int")
    check_refusal(import_meta, write(tmp_path, {"title": "x"}), out, "feed.json, ad 1", "images", "{'title': 'x'}")
    check_refusal(import_meta, write(tmp_path, {"images": {}}), out, "feed/images", "a list is expected")
    check_refusal(import_meta, write(tmp_path, {"images": [{}]}), out, "row feed/images/1", "content is expected")
    check_refusal(import_meta, write(tmp_path, [{"id": 1, **SPEC}, {"id": 1, **SPEC}]), out, "ad 2", "'1'")
    half = {**SPEC, "titles": [{"text": "\ud83d"}]}
    check_refusal(import_meta, write(tmp_path, half), out, "feed.json", "surrogates not allowed")
    (tmp_path / "feed.json").write_text("{")
    check_refusal(import_meta, tmp_path, out, "feed.json", "a JSON file is expected")


def test_names_that_are_no_texts_are_no_names(tmp_path: Path) -> None:
    ad = {"id": ["x"], **SPEC, "images": [{"hash": ["abc"]}, {"hash": "def"}]}
    summary, dataset = check_import(import_meta, write(tmp_path, ad), tmp_path / "out", 0)
    assert dataset.catalogue.products["product_id"].to_list() == ["feed"]
    assert RowError("feed/images/1", "images", "content is expected", "") in summary.errors


def test_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "feed.json").write_text("\ufeff" + json.dumps(SPEC), encoding="utf-8")
    check_import(import_meta, tmp_path / "feed.json", tmp_path / "out", 0)


def test_same_file_same_dataset(tmp_path: Path) -> None:
    check_same_seed_same_dataset(import_meta, write(tmp_path, SPEC), tmp_path)
