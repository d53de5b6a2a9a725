"""Which products can be shown at all: those that their elements' statuses and the rules leave a legal combination."""

from __future__ import annotations

from genco.data.catalogue import Catalogue
from genco.errors import RuleError
from genco.runtime.legal_space import LegalSpace, RuleBook, legal_space


def open_products(catalogue: Catalogue) -> tuple[dict[int, LegalSpace], list[str]]:
    """Legal space by product row, and for each product that has none one message that names it and the reason."""
    book = RuleBook(catalogue)
    spaces, closed = {}, []
    for product in range(catalogue.num_products):
        try:
            spaces[product] = legal_space(catalogue, product, book=book)
        except RuleError as error:
            closed.append(str(error))
    return spaces, closed
