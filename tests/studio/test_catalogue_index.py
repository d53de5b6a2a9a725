"""The index against what the catalogue says itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from genco.data.catalogue import APPROVED, PENDING
from genco.storage.dataset import Dataset
from genco.studio.catalogue_index import CatalogueIndex


def test_members_and_pools_are_those_of_the_catalogue(card: Dataset) -> None:
    catalogue = card.catalogue
    index = CatalogueIndex(catalogue)
    for product in range(catalogue.num_products):
        pools = [len(catalogue.pool(product, slot)) for slot in range(catalogue.num_slots)]
        assert index.largest_pool[product] == max(pools)
        for part in range(len(catalogue.components)):
            mine = (catalogue.element_product == product) & (catalogue.element_component == part)
            assert catalogue.members(product, part).tolist() == np.flatnonzero(mine).tolist()
            assert len(catalogue.members(-1, part)) == 0
        owned = np.flatnonzero(catalogue.element_product == product)
        assert sorted(index.of_product(product).tolist()) == owned.tolist()


def test_search_reads_ids_columns_and_texts_in_any_case(card: Dataset) -> None:
    catalogue = card.catalogue
    index = CatalogueIndex(catalogue)
    texts = catalogue.elements["text"].to_list()
    title = next(text for text in texts if text)
    expected = [title.lower() in (text or "").lower() for text in texts]
    assert index.find_elements(title.upper()).tolist() == expected
    found = index.find_products(title)
    assert found[catalogue.element_product[np.flatnonzero(expected)]].all()
    assert np.flatnonzero(index.find_products("P00003")).tolist() == [3]
    brand = str(catalogue.products["brand"][0])
    assert index.find_products(brand)[0]
    assert not index.find_products("nothing like it").any() and index.find_products("[").sum() == 0


def test_words_of_elements_are_kept_while_the_catalogue_grows_or_changes_status(card: Dataset) -> None:
    def words(index: CatalogueIndex) -> pl.Series:
        return index._element_words

    catalogue = card.catalogue
    part = replace(catalogue, elements=catalogue.elements.head(10))
    grown = CatalogueIndex(part).prepare().on(catalogue)
    assert words(grown).equals(words(CatalogueIndex(catalogue)))
    status = catalogue.under(catalogue.elements["status"].replace(APPROVED, PENDING), catalogue.rules)
    assert "_element_words" in vars(grown.on(status))
    other = replace(catalogue, elements=catalogue.elements.reverse())
    assert words(grown.on(other)).equals(words(CatalogueIndex(other)))
    assert "_element_words" not in vars(CatalogueIndex(part).on(catalogue)), "not made before anybody searched"
