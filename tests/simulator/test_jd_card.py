"""The demo's cards: readable, mostly approved, never unfillable."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest

from genco.data.rules import Distinct, Forbid
from genco.simulator.jd_card import draw_cards
from genco.simulator.scenarios import SCENARIOS
from genco.simulator.simulate import simulate

SIMULATION = simulate("jd_card", 10, seed=1)


def test_texts_are_readable_and_distinct_within_a_pool() -> None:
    elements = SIMULATION.elements
    titles = elements.filter(pl.col("component") == "title")
    brand, category = SIMULATION.products["brand"][0], SIMULATION.products["category"][0]
    assert titles["text"][0].startswith(brand) and titles["text"][0].endswith(category)
    for component in ("title", "highlight", "tag"):
        pools = elements.filter(pl.col("component") == component).group_by("product_id").agg(pl.col("text").n_unique())
        assert pools["text"].n_unique() == 1
        assert pools["text"][0] == {"title": 12, "highlight": 15, "tag": 6}[component]


def test_pictures_carry_numbers_and_text_elements_text() -> None:
    elements = SIMULATION.elements
    pictured = elements["component"] == "image"
    assert (elements["text"].is_null() == pictured).all()
    assert (elements["image_uri"].is_not_null() == pictured).all()
    for i in range(16):
        assert (elements[f"x{i}"].is_not_null() == pictured).all()


def test_text_tells_the_style() -> None:
    cards = draw_cards(SCENARIOS["jd_card"], seed=1)
    has_text = ~np.isnan(cards.told[:, 0])
    assert (cards.style - cards.told)[has_text].std() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(SIMULATION.world.content_style[has_text], cards.told[has_text])
    assert cards.style.std() == pytest.approx(np.sqrt(1.09), abs=0.15)
    words = dict(zip(map(str, cards.words), cards.told, strict=True))
    assert len({tuple(v) for v in words.values() if not np.isnan(v[0])}) <= len(words)


def test_statuses_and_forbidden_pairs_have_the_stated_shares() -> None:
    counts = dict(SIMULATION.elements["status"].value_counts().iter_rows())
    assert counts == {"approved": 19_780, "pending": 1_075, "blocked": 645}
    distinct, *forbidden = SIMULATION.rules
    assert distinct == Distinct(("highlight_1", "highlight_2", "highlight_3"))
    assert len(forbidden) == 500
    assert all(isinstance(rule, Forbid) and len(rule.pairs) == 9 for rule in forbidden)


def test_every_approved_title_leaves_three_highlights() -> None:
    cards = SIMULATION.cards
    assert cards is not None
    approved = cards.approved.reshape(500, 43)
    left = (cards.goes_with & approved[:, None, 22:37]).sum(axis=2)
    assert (left >= 3).all()
    assert approved[:, :12].any(axis=1).all() and approved[:, 12:22].any(axis=1).all()


def test_rules_and_legality_agree() -> None:
    rule = SIMULATION.rules[1]
    assert isinstance(rule, Forbid)
    title, highlight = (int(element[1:]) for element in rule.pairs[0])
    legal = SIMULATION.candidates(0)
    others = [int(row) for row in legal[2] if row != highlight][:2]
    image = int(legal[1][0])
    shown = np.array([[title, image, others[0], highlight, others[1], -1]], dtype=np.int32)
    assert not SIMULATION.is_legal(np.zeros(1, np.int32), shown)[0]
    free = next(t for t in legal[0] if SIMULATION.cards.goes_with[0, t][[r - 22 for r in (*others, highlight)]].all())
    shown[0, 0] = free
    assert SIMULATION.is_legal(np.zeros(1, np.int32), shown)[0] == (highlight in legal[2])
    shown[0, 2:5] = others[0]
    assert not SIMULATION.is_legal(np.zeros(1, np.int32), shown)[0]
    shown[0, 0] = -1
    assert not SIMULATION.is_legal(np.zeros(1, np.int32), shown)[0]


def test_pictures_are_small_png_files_named_by_the_catalogue() -> None:
    image = pytest.importorskip("PIL.Image")
    assets = SIMULATION.assets()
    uris = set(SIMULATION.elements["image_uri"].drop_nulls())
    for _ in range(30):
        path, content = next(assets)
        assert path in uris
        picture = image.open(io.BytesIO(content))
        assert (picture.format, picture.size) == ("PNG", (96, 96))
        assert len(content) < 2_000


def test_products_have_price_brand_and_category() -> None:
    products = SIMULATION.products
    assert products.schema["price"].is_float()
    assert products.schema["brand"] == products.schema["category"] == pl.String
    assert (products["price"] > 0).all()


def test_other_scenarios_have_no_pictures() -> None:
    assert list(simulate("pairs_dense", 10, seed=0).assets()) == []
