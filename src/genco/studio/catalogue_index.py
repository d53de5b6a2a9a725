"""A catalogue made ready to be searched and counted: 100,000 products and 2 million elements within a page's time."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue

Rows = NDArray[np.int32]
Bools = NDArray[np.bool_]


class CatalogueIndex:
    """Made once a catalogue; each part when it is first needed, or all by `prepare`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def on(self, catalogue: Catalogue) -> CatalogueIndex:
        """The index of another catalogue. What was made of the elements is kept if that one begins with the same ids
        and texts: of two million it takes longer than all else."""
        made, size = CatalogueIndex(catalogue), self.catalogue.num_elements
        is_made, then = "_element_words" in vars(self), _words_of(catalogue.elements)
        if is_made and then.head(size).equals(_words_of(self.catalogue.elements)):
            vars(made)["_element_words"] = pl.concat([self._element_words, _lower(then.slice(size))])
        return made

    def prepare(self) -> CatalogueIndex:
        """Make every part now, so that no reader waits for it."""
        self.largest_pool, self._element_words, self._product_words  # noqa: B018
        return self

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
        return _lower(_words_of(self.catalogue.elements))

    @cached_property
    def _product_words(self) -> pl.Series:
        return _lower(self.catalogue.products.select(cs.string(include_categorical=True) | cs.enum()))


def _words_of(elements: pl.DataFrame) -> pl.DataFrame:
    return elements.select(cs.by_name("element_id", "text", require_all=False))


def _lower(table: pl.DataFrame) -> pl.Series:
    """The texts of every row, lower case, one a line."""
    said = pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator="\n")
    return table.select(said.str.to_lowercase().alias("words"))["words"]
