"""Products that can be shown, and why others cannot."""

from __future__ import annotations

from tests.kits.small_models import small_catalogue

from genco.data.rules import Block
from genco.runtime.open_products import open_products


def test_every_product_is_open_without_rules() -> None:
    spaces, closed = open_products(small_catalogue())
    assert (sorted(spaces), closed) == ([0, 1, 2], [])


def test_products_whose_rules_leave_nothing_are_left_out_with_the_reason() -> None:
    spaces, closed = open_products(small_catalogue(rules=tuple(Block(f"p1.title{i}") for i in range(4))))
    assert sorted(spaces) == [0, 2]
    assert len(closed) == 1
    assert "Product 'p1' has no legal combination left by the rule: block" in closed[0]
