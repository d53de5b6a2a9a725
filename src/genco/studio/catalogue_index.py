"""A catalogue made ready to be searched and counted: 100,000 products and 2 million elements within a page's time."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue

Rows = NDArray[np.int32]
Bools = NDArray[np.bool_]


class CatalogueIndex:
    """Made once a catalogue; each part when it is first needed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @cached_property
    def largest_pool(self) -> NDArray[np.int64]:
        """Most elements that any one slot may show, by product."""
        catalogue = self.catalogue
        num_parts = max(len(catalogue.components), 1)
        usable = catalogue.element_approved & (catalogue.element_component >= 0)
        owner, part = catalogue.element_product[usable], catalogue.element_component[usable]
        shared = np.bincount(part[owner < 0], minlength=num_parts)
        own = np.bincount(
            owner[owner >= 0] * num_parts + part[owner >= 0], minlength=catalogue.num_products * num_parts
        )
        return np.asarray((own.reshape(catalogue.num_products, num_parts) + shared).max(axis=1, initial=0))

    def of_product(self, product: int) -> Rows:
        """Element rows of a product and those shared by all, of components that a slot shows."""
        owners = (product, -1)
        found = [
            self.catalogue.members(owner, part) for owner in owners for part in range(len(self.catalogue.components))
        ]
        return np.concatenate([*found, np.zeros(0, dtype=np.int32)])

    def find_elements(self, search: str) -> Bools:
        """Whether id or text of each element contains `search`, in any case."""
        return self._contains(self._element_words, search)

    def find_products(self, search: str) -> Bools:
        """Whether id, a column or a text of an element of each product contains `search`, in any case."""
        found = self._contains(self._product_words, search)
        owners = self.catalogue.element_product[self.find_elements(search)]
        found[owners[owners >= 0]] = True
        return found

    @staticmethod
    def _contains(words: pl.Series, search: str) -> Bools:
        return words.str.contains(search.lower(), literal=True).to_numpy().copy()

    @cached_property
    def _element_words(self) -> pl.Series:
        table = self.catalogue.elements
        text = pl.col("text").fill_null("") if "text" in table.columns else pl.lit("")
        said = pl.concat_str([pl.col("element_id").cast(pl.String), text], separator="\n")
        return table.select(said.str.to_lowercase().alias("words"))["words"]

    @cached_property
    def _product_words(self) -> pl.Series:
        table = self.catalogue.products
        texts = [name for name, kind in table.schema.items() if kind in (pl.String, pl.Categorical, pl.Enum)]
        said = pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in texts], separator="\n")
        return table.select(said.str.to_lowercase().alias("words"))["words"]
