"""What every peer that learns from a log must keep: rules, determinism, the obvious, and a clean desk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

from genco.benchmarks.peers.offline import Fit, PeerData, peer_data
from genco.data.catalogue import Slot
from genco.data.hashed_text import HashedText
from genco.runtime.legal_space import RuleBook, legal_space
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.dataset_toml import DatasetMeta
from genco.storage.writer import DatasetWriter

NUM_PRODUCTS, NUM_CANDIDATES, NUM_ROWS = 8, 3, 24_000
GOOD, BAD = 0.30, 0.05


def check_offline_peer(fit: Fit, planted: Dataset, card: Dataset, empty_folder: Path) -> None:
    """Everything below. planted: of `planted_dataset` · card: a dataset with rules and an optional slot."""
    before = Path.cwd()
    os.chdir(empty_folder)
    try:
        check_finds_the_planted_elements(fit, planted)
        check_legal_and_deterministic(fit, peer_data(card, HashedText(), 0))
    finally:
        os.chdir(before)
    assert list(empty_folder.iterdir()) == []


def check_legal_and_deterministic(fit: Fit, data: PeerData) -> None:
    """Legal choices for every product in two contexts; a second fit chooses alike."""
    book, context = RuleBook(data.catalogue), np.zeros(data.log.contexts.shape[1], dtype=np.float32)
    spaces = [legal_space(data.catalogue, product, book=book) for product in range(data.catalogue.num_products)]
    assert any(space.is_constrained for space in spaces)
    found = []
    for peer in (fit(data, 3), fit(data, 3)):
        asked = [(product, u) for product in range(len(spaces)) for u in (context, data.log.contexts[0])]
        chosen = np.array([peer.choose(product, u, spaces[product]) for product, u in asked])
        assert all(spaces[product].is_legal(row[None])[0] for (product, _), row in zip(asked, chosen, strict=True))
        found.append(chosen)
    np.testing.assert_array_equal(found[0], found[1])


def check_finds_the_planted_elements(fit: Fit, planted: Dataset) -> None:
    """In every product both slots have one good element, known by its content and by its own clicks."""
    data = peer_data(planted, None, 0)
    peer = fit(data, 1)
    good = planted.catalogue.elements["good"].to_numpy() > 0
    right = []
    for product in range(planted.catalogue.num_products):
        space = legal_space(planted.catalogue, product)
        chosen = peer.choose(product, data.log.contexts[0], space)
        right += [good[rows[i]] for rows, i in zip(space.candidates, chosen, strict=True)]
    assert all(right), f"{sum(right)} of {len(right)} planted elements found"


def planted_dataset(folder: Path) -> Dataset:
    """Eight products, two slots of three elements; an impression is rewarded with `BAD` plus `GOOD` per good one."""
    rng = np.random.default_rng(0)
    element = np.arange(NUM_PRODUCTS * 2 * NUM_CANDIDATES)
    product, slot = element // (2 * NUM_CANDIDATES), element // NUM_CANDIDATES % 2
    good = element % NUM_CANDIDATES == (product + slot) % NUM_CANDIDATES
    ids = np.array([f"e{i}" for i in element])
    elements = pl.DataFrame(
        {
            "element_id": ids,
            "product_id": [f"p{p}" for p in product],
            "component": np.array(["title", "image"])[slot],
            "text": pl.Series([None] * len(ids), dtype=pl.String),
            "image_uri": pl.Series([None] * len(ids), dtype=pl.String),
            "status": ["approved"] * len(ids),
            "good": good.astype(np.float64),
            "noise": rng.normal(size=len(ids)),
        }
    )
    shown = rng.integers(NUM_PRODUCTS, size=NUM_ROWS)
    choice = [shown * 2 * NUM_CANDIDATES + c * NUM_CANDIDATES + rng.integers(3, size=NUM_ROWS) for c in range(2)]
    rate = BAD + GOOD * (good[choice[0]].astype(float) + good[choice[1]])
    impressions = pl.DataFrame(
        {
            "impression_id": [f"i{i}" for i in range(NUM_ROWS)],
            "timestamp": pl.Series(1_000_000 * np.arange(NUM_ROWS)).cast(pl.Datetime("us")),
            "product_id": [f"p{p}" for p in shown],
            "segment": np.array(["old", "new"])[rng.integers(2, size=NUM_ROWS)],
            "title": ids[choice[0]],
            "image": ids[choice[1]],
            "num_impressions": np.ones(NUM_ROWS, dtype=np.int64),
            "num_clicks": (rng.random(NUM_ROWS) < rate).astype(np.int64),
        }
    )
    meta = DatasetMeta(name="planted", slots=(Slot("title", "title"), Slot("image", "image")), context=("segment",))
    with DatasetWriter(folder, meta) as writer:
        writer.write_products(pl.DataFrame({"product_id": [f"p{p}" for p in range(NUM_PRODUCTS)]}))
        writer.write_elements(elements)
        writer.append_impressions(impressions)
    return open_dataset(folder)
