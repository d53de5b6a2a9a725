"""Which elements show a visitor the same thing: one component, the same text, image and features, whatever their id."""

from __future__ import annotations

import polars as pl

from genco.data.catalogue import Catalogue
from genco.rng import stable_hash

_NOT_SHOWN = ("element_id", "product_id", "status")


def content_keys(catalogue: Catalogue) -> list[str | None]:
    """A key per element that equals another's exactly when both show the same, the same in every process [element].

    None for an element without text: of pictures known by id alone nobody can say that they are the same.
    """
    shown = [name for name in sorted(catalogue.elements.columns) if name not in _NOT_SHOWN]
    if "text" not in shown:
        return [None] * catalogue.num_elements
    values = [pl.concat_str(pl.lit(f"{name}="), pl.col(name).cast(pl.String)) for name in shown]
    joined = catalogue.elements.select(
        pl.when(pl.col("text").fill_null("") != "").then(pl.concat_str(values, separator="\n", ignore_nulls=True))
    ).to_series()
    return [None if value is None else f"{stable_hash(value):016x}" for value in joined]
