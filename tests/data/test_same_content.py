"""Keys of content: equal exactly where a visitor sees the same."""

from __future__ import annotations

import polars as pl

from genco.data.catalogue import Catalogue, Slot
from genco.data.same_content import content_keys

SLOTS = (Slot("title", "title"), Slot("tag", "tag"))


def catalogue(*rows: tuple[str | None, ...]) -> Catalogue:
    columns = ["element_id", "product_id", "component", "text", "image_uri", "status", "colour"]
    elements = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    return Catalogue(SLOTS, pl.DataFrame({"product_id": ["p", "q"]}), elements)


def test_id_product_and_status_do_not_count() -> None:
    a, b = content_keys(
        catalogue(
            ("1", "p", "title", "Now free", None, "approved", "red"),
            ("2", "q", "title", "Now free", None, "pending", "red"),
        )
    )
    assert a == b is not None


def test_component_text_image_and_features_do() -> None:
    keys = content_keys(
        catalogue(
            ("1", "p", "title", "Now free", None, "approved", "red"),
            ("2", "p", "tag", "Now free", None, "approved", "red"),
            ("3", "p", "title", "Now free!", None, "approved", "red"),
            ("4", "p", "title", "Now free", "a.png", "approved", "red"),
            ("5", "p", "title", "Now free", None, "approved", None),
        )
    )
    assert len(set(keys)) == 5


def test_without_text_nobody_can_say() -> None:
    assert content_keys(catalogue(("1", "p", "tag", None, None, "approved", "x"))) == [None]
    assert content_keys(catalogue(("1", "p", "tag", "", None, "approved", "x"))) == [None]
    bare = catalogue(("1", "p", "tag", "a", None, "approved", "x"))
    assert content_keys(Catalogue(SLOTS, bare.products, bare.elements.drop("text"))) == [None]
