"""One product with candidates that its catalogue does not have: a small catalogue of its own under the same run.

Scores come from content, ids tell nothing; rules, shares and pauses of the product hold. Torch-free.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.data.rules import Pin
from genco.policies.optimizer import Optimizer
from genco.runtime.encoding import EncodedCatalogue, encode_catalogue
from genco.runtime.reward_model import BoundRewardModel
from genco.runtime.rule_book import ALL_PRODUCTS
from genco.storage.run_catalogue import text_of

Rows = NDArray[np.int32]


def with_candidates(optimizer: Optimizer, product: pl.DataFrame, elements: pl.DataFrame) -> Optimizer:
    """The run on this product alone: its approved elements, the shared ones and `elements` after them.

    product: one row with the columns of the catalogue's products; the catalogue's own row holds where it has the id ·
    elements: with the columns of the catalogue's elements, none of them known to it. Raises `GencoError` where a text
    cannot be encoded.
    """
    own, policy = optimizer.catalogue, optimizer.policy
    row = own.product_rows.get(product["product_id"][0], ALL_PRODUCTS)
    if row != ALL_PRODUCTS:
        product = own.products[row : row + 1]
    kept = _kept(optimizer, row)
    catalogue = Catalogue(own.slots, product, pl.concat([own.elements[kept], elements]))
    new = encode_catalogue(replace(catalogue, elements=elements), optimizer.encoders, text_of(optimizer.run))
    encoded = EncodedCatalogue(
        catalogue,
        np.concatenate([optimizer.encoded.content[kept], new.content]),
        np.concatenate([optimizer.encoded.kinds[kept], new.kinds]),
        new.products,
    )
    parts = optimizer.run, optimizer.model, optimizer.network, optimizer.encoders
    alone = Optimizer(*parts, optimizer.meta, encoded, optimizer.value)
    bound = _bound(policy.bound, row, kept, new, catalogue)
    alone.policy = policy.alone(row, bound, policy.rule_book.narrowed(row, catalogue, kept))
    return alone


def _kept(optimizer: Optimizer, product: int) -> Rows:
    """Rows of the elements that may be shown, and of those that a rule pins."""
    catalogue = optimizer.catalogue
    pools = [catalogue.pool(product, slot) for slot in range(catalogue.num_slots)]
    pinned = [b.rows for b in optimizer.policy.rule_book.rules_of(product) if isinstance(b.rule, Pin)]
    return np.unique(np.concatenate([*pools, *pinned])).astype(np.int32)


def _bound(
    whole: BoundRewardModel, product: int, kept: Rows, new: EncodedCatalogue, catalogue: Catalogue
) -> BoundRewardModel:
    """The reward model on the small catalogue: what was bound before is taken, only new rows are worked out."""
    model = whole.model
    effect = model.effects(new.catalogue)
    latents = model.latents(new.catalogue, new.content, new.kinds)
    appeal = whole.appeal_base[product : product + 1]
    if product == ALL_PRODUCTS:
        linear = model.appeal.product_weights[0] + new.products @ model.appeal.product_weights[1:]
        name = str(catalogue.products["product_id"][0])
        appeal = np.array([model.appeal.product_effect.get(name, float(linear[0]))], dtype=np.float32)
    return BoundRewardModel(
        model,
        catalogue,
        np.concatenate([whole.latents[kept], latents]),
        np.concatenate([whole.element_mean[kept], effect[:, 0]]),
        np.concatenate([whole.element_var[kept], effect[:, 1]]),
        appeal,
    )
