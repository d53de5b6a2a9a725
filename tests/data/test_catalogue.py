"""Pools and groups of elements, by hand and against a plain reading of the table."""

from __future__ import annotations

import numpy as np
import polars as pl

from genco.data.catalogue import EMPTY, Catalogue, Slot

SLOTS = (Slot("a", "title"), Slot("b", "tag", required=False))
PRODUCTS = pl.DataFrame({"product_id": ["p", "q"]})
ELEMENTS = pl.DataFrame(
    {
        "element_id": ["t0", "s0", "t1", "q0", "g0", "x0", "t2"],
        "product_id": ["p", None, "p", "q", None, "p", "p"],
        "component": ["title", "title", "title", "title", "tag", "no slot", "title"],
        "status": ["approved", "approved", "pending", "approved", "approved", "approved", "approved"],
    },
    schema_overrides={"product_id": pl.String},
)


def test_pools_hold_what_is_approved_a_product_s_own_first() -> None:
    catalogue = Catalogue(SLOTS, PRODUCTS, ELEMENTS)
    assert catalogue.members(0, 0).tolist() == [0, 2, 6] and catalogue.members(-1, 0).tolist() == [1]
    assert catalogue.pool(0, 0).tolist() == [0, 6, 1] and catalogue.pool(1, 0).tolist() == [3, 1]
    assert catalogue.pool(0, 1).tolist() == [4] and catalogue.candidates(0, 1).tolist() == [4, EMPTY]


def test_another_status_changes_pools_and_keeps_the_groups() -> None:
    catalogue = Catalogue(SLOTS, PRODUCTS, ELEMENTS)
    other = catalogue.under(pl.Series(["blocked", *["approved"] * 6]), ())
    assert other.pool(0, 0).tolist() == [2, 6, 1] and other.members(0, 0).tolist() == [0, 2, 6]
    assert catalogue.pool(0, 0).tolist() == [0, 6, 1]


def test_a_catalogue_without_elements_has_empty_pools() -> None:
    catalogue = Catalogue(SLOTS, PRODUCTS, ELEMENTS.head(0))
    assert catalogue.pool(1, 0).tolist() == [] and catalogue.members(-1, 1).tolist() == []


def test_groups_are_those_of_the_table() -> None:
    rng = np.random.default_rng(0)
    num = 300
    owners = [None, *(f"p{i}" for i in range(20))]
    elements = pl.DataFrame(
        {
            "element_id": [f"e{i}" for i in range(num)],
            "product_id": [owners[i] for i in rng.integers(21, size=num)],
            "component": [("title", "tag", "no slot")[i] for i in rng.integers(3, size=num)],
            "status": ["approved"] * num,
        }
    )
    catalogue = Catalogue(SLOTS, pl.DataFrame({"product_id": owners[1:]}), elements)
    for product in range(-1, 20):
        for part in range(2):
            mine = (catalogue.element_product == product) & (catalogue.element_component == part)
            assert catalogue.members(product, part).tolist() == np.flatnonzero(mine).tolist()
