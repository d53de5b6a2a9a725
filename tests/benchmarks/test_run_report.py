"""The report is one file that needs nothing, tells the truth in its sums, and cannot be talked into running a title."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.kits.command_line import write_tiny

from genco.benchmarks.run_report import report_page, write_report
from genco.data.catalogue import Slot
from genco.errors import ConfigError
from genco.evaluation.report_data import ReportConfig, ReportData, report_data
from genco.policies.optimizer import Optimizer, load
from genco.simulator.truth import truth_of
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.dataset_toml import DatasetMeta
from genco.storage.writer import DatasetWriter
from genco.training.config import config_from
from genco.training.train import train

QUICK = {
    "training": {"steps": 2, "requests": 8, "group": 4},
    "generator": {"width": 8, "key_width": 4},
    "reward_model": {"max_rounds": 1, "residual": "off"},
}
SMALL = ReportConfig(num_requests=5, num_attributions=2)
SCRIPT = "<script>alert('title')</script>"
HANDLER = '"><img src=x onerror=alert(1)>'
WIDE = "超轻防水背包" * 12
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Page(HTMLParser):
    """Tags with attributes, and the texts of cells of the element table by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids |= {value for name, value in attrs if name == "id" and value}


def trained(folder: Path, data: Path) -> tuple[Optimizer, Dataset]:
    dataset = open_dataset(data)
    train(dataset, folder / "run", config_from(QUICK))
    return load(folder / "run"), dataset


def write_shop(folder: Path, products: list[str], texts: bool = True, rows: int = 240, seed: int = 0) -> Path:
    """A shop with titles, pictures, one tag for all and an optional tag slot; clicks at random."""
    rng = np.random.default_rng(seed)
    titles = [SCRIPT, HANDLER, WIDE, "plain"]
    uris = ["assets/there.png", "assets/missing.png", "../outside.png", "https://example.org/x.png"]
    elements: list[dict[str, Any]] = [
        {"element_id": f"{kind}{p}{i}", "product_id": product, "component": kind, "text": text, "image_uri": uri}
        for p, product in enumerate(products)
        for kind, values in (("title", [(t, None) for t in titles]), ("image", [(None, u) for u in uris]))
        for i, (text, uri) in enumerate(values)
    ]
    elements.append({"element_id": "tag", "product_id": None, "component": "tag", "text": "new", "image_uri": None})
    if not texts:
        elements = [{**element, "text": None} for element in elements]
    status = ["pending" if element["element_id"] == "title03" else "approved" for element in elements]
    chosen = rng.integers(len(products), size=rows)
    log = pl.DataFrame(
        {
            "impression_id": [f"i{i}" for i in range(rows)],
            "timestamp": pl.Series(np.arange(rows) * 60_000_000 + 10**15).cast(pl.Datetime("us")),
            "product_id": [products[p] for p in chosen],
            "segment": rng.choice(["<i>new</i>", "old"], rows),
            "title": [f"title{p}{i}" for p, i in zip(chosen, rng.integers(3, size=rows), strict=True)],
            "image": [f"image{p}{i}" for p, i in zip(chosen, rng.integers(4, size=rows), strict=True)],
            "tag": [None if empty else "tag" for empty in rng.random(rows) < 0.5],
            "num_impressions": rng.integers(1, 9, rows),
            "num_clicks": rng.integers(0, 2, rows),
        }
    )
    slots = (Slot("title", "title"), Slot("image", "image"), Slot("tag", "tag", required=False))
    with DatasetWriter(folder, DatasetMeta(name=f"shop {SCRIPT}", slots=slots, context=("segment",))) as writer:
        writer.write_products(pl.DataFrame({"product_id": products, "price": np.arange(len(products)) + 1.0}))
        writer.write_elements(
            pl.DataFrame(elements).with_columns(pl.Series("status", status), pl.col("text").cast(pl.String))
        )
        writer.write_asset("assets/there.png", PNG)
        writer.append_impressions(log)
    (folder.parent / "outside.png").write_bytes(PNG)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ReportData, Dataset]:
    """A page, its data and its dataset; no truth."""
    folder = tmp_path_factory.mktemp("shop")
    optimizer, dataset = trained(folder, write_shop(folder / "data", ["p<b>1", "p2", "p3"]))
    path = write_report(optimizer, dataset, None, folder / "new" / "report.html", config=SMALL)
    return path.read_text(), report_data(optimizer, dataset, None, SMALL), dataset


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ReportData]:
    """A page and its data with a truth, without any text."""
    folder = tmp_path_factory.mktemp("simulated")
    optimizer, dataset = trained(folder, write_tiny(folder / "data", rows=1_500))
    seen: list[str] = []
    path = write_report(
        optimizer, dataset, truth_of(dataset), folder / "report.html", lambda stage, values: seen.append(stage), SMALL
    )
    assert seen == ["report"] * 4
    return path.read_text(), report_data(optimizer, dataset, truth_of(dataset), SMALL)


def assert_self_contained(text: str) -> None:
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, value)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    assert not re.search(r"url\(|@import", text)
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'unsafe-inline'"
    assert {href[1:] for t, a in page.tags if t == "a" and (href := a.get("href"))} <= page.ids
    assert [t for t, _ in page.tags].count("script") == 1
    assert [t for t, _ in page.tags].count("h1") == 1
    assert all(a.get("aria-label") or a.get("aria-hidden") for t, a in page.tags if t == "svg")
    assert all("alt" in a for t, a in page.tags if t == "img")


def assert_adds_up(data: ReportData) -> None:
    table, log = data.elements, data.log
    for total in table.totals:
        for i, whole in ((0, log.impressions), (1, log.reward)):
            assert total.shown[i] + total.rest[i] + total.empty[i] == pytest.approx(total.num_slots * whole)
        rows = [row for row in table.rows if row.element.component == total.component]
        assert len(rows) == total.num_shown
        assert sum(row.impressions for row in rows) == pytest.approx(total.shown[0])
        assert sum(row.clicks for row in rows) == pytest.approx(total.shown[1])


def test_self_contained(shop: tuple[str, ReportData, Dataset], simulated: tuple[str, ReportData]) -> None:
    assert_self_contained(shop[0])
    assert_self_contained(simulated[0])


def test_hostile_texts_are_only_text(shop: tuple[str, ReportData, Dataset]) -> None:
    text = shop[0]
    assert SCRIPT not in text and HANDLER not in text and "p<b>1" not in text and "<i>new" not in text
    assert "&lt;script&gt;alert" in text and "p&lt;b&gt;1" in text and WIDE in text


def test_only_pictures_of_the_folder(shop: tuple[str, ReportData, Dataset]) -> None:
    text = shop[0]
    assert text.count("data:image/png;base64,") > 0
    assert {uri for uri in re.findall(r'"(data:[^"]+)"', text)} == {
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    }
    assert "example.org" not in text and "outside" not in text


def test_numbers_add_up_to_the_log(shop: tuple[str, ReportData, Dataset], simulated: tuple[str, ReportData]) -> None:
    text, data, dataset = shop
    batch = dataset.sample(10_000, 0)
    assert data.log.impressions == batch.num_impressions.sum()
    assert data.log.reward == batch.reward.sum()
    assert_adds_up(data)
    assert_adds_up(simulated[1])
    assert f"{3 * data.log.impressions:,.0f}" in text
    assert sum(total.empty[0] for total in data.elements.totals) > 0
    assert "places left empty" in text


def test_rest_is_summed_where_rows_are_cut(tmp_path: Path) -> None:
    optimizer, dataset = trained(tmp_path, write_shop(tmp_path / "data", ["p1", "p2", "p3"]))
    data = report_data(optimizer, dataset, None, replace(SMALL, max_rows=10))
    assert len(data.elements.rows) == 9
    assert data.elements.num_products == 1
    assert_adds_up(data)
    assert sum(total.num_rest for total in data.elements.totals) == 16


def test_attribution_adds_up(shop: tuple[str, ReportData, Dataset], simulated: tuple[str, ReportData]) -> None:
    for data in (shop[1], simulated[1]):
        for card in (card for product in data.products for card in product.combinations):
            parts = sum(step.own + step.interaction + step.residual for step in card.steps)
            assert card.appeal + parts + card.calibration == pytest.approx(card.logit, abs=1e-5)
            assert card.low < card.click_probability < card.high


def test_printed_sums_add_up(simulated: tuple[str, ReportData]) -> None:
    found = re.findall(r'<p class="sum">(.*?) logits</p>', simulated[0])
    assert found
    for line in found:
        left, right = line.replace("−", "-").split(" = ")
        parts = [float(number) for number in re.findall(r"[-+]?\d+\.\d{3}", left)]
        assert sum(parts) == pytest.approx(float(right), abs=1e-9)


def test_truth_is_told_where_there_is_one(
    shop: tuple[str, ReportData, Dataset], simulated: tuple[str, ReportData]
) -> None:
    text, data = simulated
    top = data.headline
    assert top.true_uniform is not None and top.true_choice is not None
    assert (top.values[0].key, top.values[-1].key) == ("uniform", "oracle")
    assert top.values[-1].click_rate >= max(row.click_rate for row in top.values) - 1e-9
    assert "by the truth" in text and "Values need a truth" not in text
    assert "Values need a truth" in shop[0] and "by the truth" not in shop[0]
    assert all(card.truth is None for product in shop[1].products for card in product.combinations)


def test_labels_are_published_and_used(shop: tuple[str, ReportData, Dataset]) -> None:
    text, data, _ = shop
    for label in ("PENDING", "LEARNING", "LOW", "GOOD", "BEST"):
        assert f'<dt><span class="verdict {label}">' in text
    assert [row.label for row in data.elements.rows if row.element.element_id == "title03"] == ["PENDING"]
    assert {row.label for row in data.elements.rows} <= {"PENDING", "LEARNING", "LOW", "GOOD", "BEST"}


def test_one_product_without_text(tmp_path: Path) -> None:
    optimizer, dataset = trained(tmp_path, write_shop(tmp_path / "data", ["p1"], texts=False))
    path = write_report(optimizer, dataset, None, tmp_path / "report.html", config=SMALL)
    assert_self_contained(path.read_text())
    assert "title00" in path.read_text()


def test_data_that_the_run_never_saw(tmp_path: Path) -> None:
    optimizer, _ = trained(tmp_path, write_shop(tmp_path / "data", ["p1", "p2"]))
    other = open_dataset(write_shop(tmp_path / "other", ["p2", "p9"], seed=1))
    data = report_data(optimizer, other, None, SMALL)
    assert not data.log.same_as_trained
    assert_adds_up(data)


def test_every_optional_part_may_be_missing(shop: tuple[str, ReportData, Dataset]) -> None:
    from datetime import UTC, datetime

    from genco.drawings.pictures import Pictures

    _, data, dataset = shop
    bare = replace(data, products=(), helping=(), clashing=(), heat_map=None, curves={}, calibration=(), held_out=False)
    now = datetime(2026, 1, 2, tzinfo=UTC)
    text = report_page(bare, Pictures(dataset.path), now, now)
    assert_self_contained(text)
    assert "No product has a legal card." in text and "The run kept no curve." in text


def test_out_must_be_a_file(shop: tuple[str, ReportData, Dataset], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Parameter `out` should be a file to write"):
        write_report(None, None, None, tmp_path)  # type: ignore[arg-type]
