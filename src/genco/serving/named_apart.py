"""Joined decisions on candidates that requests brought along, as rows of a catalogue that has them.

Callers may give one id to different contents over time: every content gets a name of its own. None of them is approved:
a run that is trained on them learns from them and never serves them by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from genco.data.catalogue import Catalogue
from genco.serving.additions import AddedElement, AddedProduct, Additions
from genco.serving.candidate_sets import CandidateSet
from genco.serving.joiner import Joined


class NamedApart:
    """sets: by digest. `additions` is what the catalogue lacks: products and elements of `add`ed rows."""

    def __init__(self, catalogue: Catalogue, sets: Mapping[str, CandidateSet]) -> None:
        self._catalogue, self._sets = catalogue, sets
        self._names: dict[str, str] = {}  # content -> name
        self._elements: dict[str, AddedElement] = {}
        self._products: dict[str, AddedProduct] = {}

    @property
    def additions(self) -> Additions:
        return Additions(tuple(self._products.values()), tuple(self._elements.values()))

    def add(self, digest: str, product_id: str) -> None:
        """Make a set of candidates known for a product."""
        if product_id not in self._catalogue.product_rows:
            self._products.setdefault(product_id, AddedProduct(product_id=product_id))
        for element in self._sets[digest].elements:
            self._name(element, product_id)

    def renamed(self, rows: Sequence[Joined]) -> list[Joined]:
        """The rows with the names of their contents."""
        return [row if row.candidates not in self._sets else self._renamed(row) for row in rows]

    def _renamed(self, row: Joined) -> Joined:
        assert row.candidates is not None
        self.add(row.candidates, row.product_id)
        mine = {element.element_id: element for element in self._sets[row.candidates].elements}
        return replace(
            row,
            combination=tuple(
                self._name(mine[name], row.product_id) if name is not None and name in mine else name
                for name in row.combination
            ),
        )

    def _name(self, element: AddedElement, product_id: str) -> str:
        """The id with a digest of the content: an id of its own, so that the candidate a request brings along is never
        taken for it. It is pending, for nobody approved it beyond that request."""
        element = element.model_copy(update={"product_id": product_id})
        key = element.model_dump_json()
        name = self._names.get(key)
        if name is None:
            name = f"{element.element_id}#{hashlib.blake2b(key.encode(), digest_size=6).hexdigest()}"
            self._names[key] = name
            self._elements[name] = element.model_copy(update={"element_id": name, "status": "pending"})
        return name
