"""From a dataset to arrays: encoders that survive their JSON, catalogues seen through them, logs as flat arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.small_dataset import ELEMENTS, IMPRESSIONS, PRODUCTS, small_meta, write_small

from genco.data.catalogue import Catalogue, Slot
from genco.data.hashed_text import HashedText
from genco.runtime.encoding import Encoders, encode_catalogue, encode_log, fit_encoders, fit_projections
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.writer import DatasetWriter


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(write_small(tmp_path / "data"))


def fitted(dataset: Dataset) -> Encoders:
    return fit_encoders(dataset.catalogue, dataset.sample(100, 0).context, HashedText(16))[0]


def test_content_kinds_and_identities(dataset: Dataset) -> None:
    """Titles have content (length and text); the badge has none, so it is its own content."""
    encoders, encoded, _ = fit_encoders(dataset.catalogue, dataset.sample(100, 0).context, HashedText(16))
    assert encoders.identities == {"badge": ("b1",)}
    assert len(set(encoders.kinds)) == 2
    assert encoded.content.shape == (4, 1 + 16 + 1)
    assert encoded.content[:, 0].tolist() == [3.0, 4.0, 6.0, 0.0]
    assert encoded.content[:, -1].tolist() == [0, 0, 0, 1]
    assert (encoded.content[3, :-1] == 0).all()
    projections = fit_projections(encoded, encoders, 8)
    assert len(projections) == max(encoders.kinds) + 1
    badge = projections[encoders.kinds[1]]
    assert badge.rank == 1 and badge.loading[-1, 0] == 1 and not badge.loading[:-1].any()


def test_encoders_survive_json(dataset: Dataset) -> None:
    encoders = fitted(dataset)
    again = Encoders.from_dict(json.loads(json.dumps(encoders.to_dict())))
    assert again == encoders
    first, second = (encode_catalogue(dataset.catalogue, e, HashedText(16)) for e in (encoders, again))
    np.testing.assert_array_equal(first.content, second.content)
    np.testing.assert_array_equal(first.products, second.products)


def test_a_later_catalogue_is_encoded_alike(dataset: Dataset) -> None:
    """New elements and products join; what was there keeps its numbers, an unknown identity is nothing."""
    encoders, before = fitted(dataset), encode_catalogue(dataset.catalogue, fitted(dataset), HashedText(16))
    new = pl.DataFrame(
        {
            "element_id": ["t9", "b9"],
            "product_id": ["p9", None],
            "component": ["title", "badge"],
            "text": ["Red", None],
            "status": ["approved"] * 2,
            "length": [3.0, None],
        }
    )
    catalogue = dataset.catalogue
    elements = pl.concat([new, catalogue.elements], how="diagonal_relaxed")
    products = pl.concat([catalogue.products, pl.DataFrame({"product_id": ["p9"], "price": [12.0]})])
    after = encode_catalogue(Catalogue(catalogue.slots, products, elements), encoders, HashedText(16))
    np.testing.assert_array_equal(after.content[2:], before.content)
    np.testing.assert_array_equal(after.products[:2], before.products)
    np.testing.assert_array_equal(after.content[0], before.content[0])
    assert not after.content[1].any()
    assert after.kinds.tolist() == [0, 1, 0, 0, 0, 1] if encoders.kinds == (0, 1) else True


def test_log_by_hand(dataset: Dataset) -> None:
    """Twelve rows of two products and three segments: six groups, empty badges as element number 4."""
    log, _ = encode_log(dataset, fitted(dataset), dataset.catalogue)
    assert len(log) == 12 and log.num_groups == 6 and log.num_elements == 4
    assert log.combination[:3].tolist() == [[0, 3], [2, 4], [1, 4]]
    assert log.trials[:2].tolist() == [1.0, 5.0] and log.reward[:2].tolist() == [0.0, 2.0]
    assert log.product.tolist() == [0, 1] * 6
    assert log.contexts.shape == (3, 2)
    encoded = log.contexts[log.group_context[log.group]]
    assert encoded[:3].tolist() == [[1, 0], [0, 1], [0, 0]]


def test_rows_held_out_are_parts_of_the_same_arrays(dataset: Dataset) -> None:
    whole, nothing = encode_log(dataset, fitted(dataset), dataset.catalogue)
    assert len(nothing) == 0
    kept, apart = encode_log(dataset, fitted(dataset), dataset.catalogue, lambda batch: batch.product == 1)
    assert len(kept) == len(apart) == 6
    assert set(kept.product.tolist()) == {0} and set(apart.product.tolist()) == {1}
    assert kept.combination.base is apart.combination.base is not None
    first = whole.product == 0
    np.testing.assert_array_equal(kept.combination, whole.combination[first])
    np.testing.assert_array_equal(apart.reward, whole.reward[~first])
    np.testing.assert_array_equal(kept.contexts[kept.group_context[kept.group]][:, 0], [1, 0, 0, 1, 0, 0])


def test_inverse_propensities_are_clipped_and_average_one(dataset: Dataset) -> None:
    """Propensity 0.5 weighs 2, not logged weighs 1; clipped at 1.5 they weigh 1.5 and 1, over their mean 1.25."""
    log, _ = encode_log(dataset, fitted(dataset), dataset.catalogue, propensity_clip=1.5)
    assert log.trials[:2].tolist() == pytest.approx([1.5 / 1.25, 5 * 1 / 1.25])
    assert log.reward[1] == pytest.approx(2 / 1.25)


def write(
    folder: Path,
    elements: pl.DataFrame,
    impressions: pl.DataFrame,
    slots: tuple[Slot, ...],
    context: tuple[str, ...] = (),
) -> Dataset:
    with DatasetWriter(folder, small_meta(slots=slots, context=context)) as writer:
        writer.write_products(PRODUCTS.select("product_id"))
        writer.write_elements(elements)
        if impressions.height:
            writer.append_impressions(impressions)
    return open_dataset(folder)


def test_no_content_no_context_no_product_feature(tmp_path: Path) -> None:
    titles = ELEMENTS.filter(pl.col("component") == "title").select("element_id", "product_id", "component", "status")
    rows = IMPRESSIONS.select("impression_id", "product_id", "title", "num_clicks", "num_impressions")
    dataset = write(tmp_path / "bare", titles, rows, (Slot("title", "title"),))
    encoders, encoded, _ = fit_encoders(dataset.catalogue, dataset.sample(10, 0).context, HashedText(16))
    assert encoders.text == "" and encoders.context.dim == 0
    assert encoders.identities == {"title": ("t1", "t2", "t3")}
    np.testing.assert_array_equal(encoded.content, np.eye(3))
    log, _ = encode_log(dataset, encoders, dataset.catalogue)
    assert log.contexts.shape == (1, 0) and log.num_groups == 2
    assert fit_projections(encoded, encoders, 8)[encoders.kinds[0]].rank == 3


def test_too_many_elements_without_content_have_rank_zero(tmp_path: Path) -> None:
    many = pl.DataFrame(
        {"element_id": [f"t{i}" for i in range(200)], "product_id": ["p1"] * 200, "component": ["title"] * 200}
    )
    rows = IMPRESSIONS.filter(pl.col("product_id") == "p1").select(
        "impression_id", "product_id", "num_clicks", "num_impressions", title=pl.lit("t7")
    )
    dataset = write(tmp_path / "many", many, rows, (Slot("title", "title"),))
    encoders, encoded, _ = fit_encoders(dataset.catalogue, {}, None)
    assert encoders.identities == {} and encoded.content.shape == (200, 0)
    assert fit_projections(encoded, encoders, 8)[encoders.kinds[0]].rank == 0


def test_ten_kilobytes_of_unicode(tmp_path: Path) -> None:
    title = "促销 Größe 🎁 ‮abc‬ " * 400
    assert len(title.encode()) > 10_000
    elements = ELEMENTS.with_columns(
        text=pl.when(pl.col("element_id") == "t1").then(pl.lit(title)).otherwise(pl.col("text"))
    )
    dataset = write(tmp_path / "long", elements, IMPRESSIONS, small_meta().slots, ("segment",))
    encoders, encoded, _ = fit_encoders(dataset.catalogue, dataset.sample(10, 0).context, HashedText(16))
    assert np.isfinite(encoded.content).all()
    assert np.linalg.norm(encoded.content[0, 1:17]) == pytest.approx(1, abs=1e-5)
    assert all(np.isfinite(p.loading).all() for p in fit_projections(encoded, encoders, 8))


def test_an_empty_log_is_empty_arrays(tmp_path: Path) -> None:
    dataset = write(tmp_path / "empty", ELEMENTS, IMPRESSIONS.head(0), small_meta().slots, ("segment",))
    encoders, _, _ = fit_encoders(dataset.catalogue, dataset.sample(10, 0).context, None)
    log, _ = encode_log(dataset, encoders, dataset.catalogue)
    assert len(log) == 0 and log.num_groups == 0
