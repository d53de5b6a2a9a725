"""Content, product and context features: hand-worked tables and the errors that name column and row."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from genco.data.catalogue import Catalogue, Slot
from genco.data.columns import MAX_VALUES, ColumnEncoder
from genco.data.features import ContextEncoder, element_content, product_columns, product_features
from genco.data.hashed_text import HashedText
from genco.errors import ConfigError, DataError


def catalogue(products: dict[str, object] | None = None, **element_features: object) -> Catalogue:
    elements = pl.DataFrame(
        {
            "element_id": ["t1", "t2", "i1", "h1", "z1"],
            "product_id": ["p1", "p1", "p1", None, "p1"],
            "component": ["title", "title", "image", "highlight", "unused"],
            "text": ["red shoe", "blue shoe", None, "red shoe", "never shown"],
            "image_uri": [None] * 5,
            "status": ["approved"] * 5,
            **element_features,
        }
    )
    slots = (Slot("title", "title"), Slot("image", "image"), Slot("h1", "highlight"), Slot("h2", "highlight"))
    return Catalogue(slots, pl.DataFrame({"product_id": ["p1", "p2", "p3"], **(products or {})}), elements)


def test_content_by_hand() -> None:
    table = element_content(catalogue(x0=[None, None, 2.5, None, 9.0]), HashedText(16))
    assert table.blocks == {"x0": slice(0, 1), "text": slice(1, 17)}
    assert table.features.shape == (5, 17)
    assert table.features.dtype == np.float32
    np.testing.assert_array_equal(table.features[:, 0], [0, 0, 2.5, 0, 9])
    np.testing.assert_array_equal(table.features[0, 1:], HashedText(16).encode(["red shoe"])[0])
    np.testing.assert_array_equal(table.features[0], table.features[3])
    assert not table.features[2, 1:].any()


def test_signature_groups_components_with_the_same_kinds_of_content() -> None:
    table = element_content(catalogue(x0=[None, None, 2.5, None, 9.0]), HashedText(16))
    assert table.signature.tolist() == [0, 1, 0], "title and highlight carry text, image a number"
    np.testing.assert_array_equal(table.features_of(1), [0])
    np.testing.assert_array_equal(table.features_of(0), np.arange(1, 17))


def test_content_without_text_encoder_has_no_text_block() -> None:
    table = element_content(catalogue(), None)
    assert table.features.shape == (5, 0)
    assert table.blocks == {}
    assert table.signature.tolist() == [0, 0, 0]


def test_each_distinct_text_is_encoded_once() -> None:
    seen: list[str] = []

    class Spy(HashedText):
        def encode(self, texts):  # type: ignore[no-untyped-def]
            seen.extend(texts)
            return super().encode(texts)

    element_content(catalogue(), Spy(16))
    assert sorted(seen) == ["", "blue shoe", "never shown", "red shoe"]


def test_columns_of_an_earlier_catalogue_encode_a_later_one_alike() -> None:
    first = element_content(catalogue(style=["a", "b", None, "a", None]), None)
    later = element_content(catalogue(style=["b", "new", None, None, None]), None, columns=first.columns)
    assert first.columns.names == ("style=a", "style=b")
    np.testing.assert_array_equal(later.features, [[0, 1], [0, 0], [0, 0], [0, 0], [0, 0]])


@pytest.mark.parametrize(("bad", "shown"), [(float("nan"), "NaN"), (float("inf"), "inf")])
def test_not_finite_content_names_column_and_row(bad: float, shown: str) -> None:
    with pytest.raises(
        DataError, match=rf"(?i)elements, row 2, column 'x0': a finite number is expected. Found {shown}"
    ):
        element_content(catalogue(x0=[None, 1.0, bad, None, None]), None)


def test_product_features_by_hand() -> None:
    features, names = product_features(catalogue({"price": [1.0, 3.0, None], "brand": ["b", "a", None]}))
    assert names == ("price", "price=null", "brand=a", "brand=b")
    np.testing.assert_allclose(features, [[-1, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0]])
    assert features.dtype == np.float32


def test_product_without_features() -> None:
    features, names = product_features(catalogue())
    assert features.shape == (3, 0)
    assert names == ()


def test_new_products_keep_the_old_scale() -> None:
    columns = product_columns(catalogue({"price": [0.0, 2.0, 4.0]}))
    features, _ = product_features(catalogue({"price": [10.0, 10.0, 10.0]}), columns)
    np.testing.assert_allclose(features[:, 0], 8 / np.std([0, 2, 4]), rtol=1e-6)


def test_a_missing_column_is_named() -> None:
    columns = product_columns(catalogue({"price": [0.0, 2.0, 4.0]}))
    with pytest.raises(DataError, match=r"products: column 'price' is missing. Found product_id"):
        product_features(catalogue(), columns)


def test_text_where_numbers_were_fitted_is_an_error() -> None:
    columns = product_columns(catalogue({"price": [0.0, 2.0, 4.0]}))
    with pytest.raises(DataError, match=r"products, column 'price': numbers are expected. Found type String"):
        product_features(catalogue({"price": ["1", "2", "3"]}), columns)


def test_constant_and_all_null_columns_stay_finite() -> None:
    features, names = product_features(catalogue({"c": [7, 7, 7], "n": pl.Series([None] * 3, dtype=pl.Float64)}))
    assert names == ("c", "n", "n=null")
    np.testing.assert_array_equal(features, [[0, 0, 1]] * 3)


def test_numbers_that_would_drown_others_are_standardised() -> None:
    """Content keeps its numbers, but a price in cents or a time since 1970 does not hide an embedding."""
    table = pl.DataFrame(
        {"x": [0.1, -0.1, 0.3], "cents": [100.0, 900.0, None], "time": [1.7e15, 1.7e15 + 4e6, 1.7e15], "one": [5e9] * 3}
    )
    encoder = ColumnEncoder.fit(table, "elements", standardise=False, indicators=False)
    encoded = encoder.transform(table, "elements")
    assert encoded[:, 0].tolist() == pytest.approx([0.1, -0.1, 0.3])
    assert encoded[:, 1].tolist() == pytest.approx([-1.0, 1.0, 0.0])
    assert encoded[:, 2].tolist() == pytest.approx([-0.7071, 1.4142, -0.7071], abs=1e-4)
    assert encoded[:, 3].tolist() == [0.0] * 3


def test_only_the_most_frequent_values_are_kept() -> None:
    values = [f"v{i:03d}" for i in range(100)] + ["v099", "v098"]
    encoder = ColumnEncoder.fit(pl.DataFrame({"brand": values}), "products")
    assert encoder.dim == MAX_VALUES
    assert {"brand=v098", "brand=v099"} <= set(encoder.names)


def test_context_round_trip_and_unknown_value() -> None:
    sample = {
        "segment": np.array(["s1", "s0", "s1"]),
        "hour": np.array([0, 12, 24]),
        "new": np.array([True, False, True]),
    }
    encoder = ContextEncoder.fit(sample)
    restored = ContextEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert restored == encoder
    assert encoder.names == ("segment=s0", "segment=s1", "hour", "new=false", "new=true")
    request = {"segment": np.array(["s9", "s0"]), "hour": np.array([12, 12]), "new": np.array([True, False])}
    np.testing.assert_array_equal(restored.transform(request), [[0, 0, 0, 0, 1], [1, 0, 0, 1, 0]])


def test_context_of_objects_with_null() -> None:
    encoder = ContextEncoder.fit({"segment": np.array(["a", None, "b"], dtype=object)})
    np.testing.assert_array_equal(encoder.transform({"segment": np.array([None, "b"], dtype=object)}), [[0, 0], [0, 1]])


def test_one_context_of_some_columns_equals_the_batch() -> None:
    sample = {"segment": np.array(["a", "b"]), "hour": np.array([0.0, 2.0]), "new": np.array([True, False])}
    encoder = ContextEncoder.fit(sample)
    first = encoder.transform(sample)[0]
    np.testing.assert_array_equal(encoder.transform_some({"segment": "a", "hour": "0", "new": True}), first)
    np.testing.assert_array_equal(encoder.transform_some({"segment": "b"}), [0, 1, 0, 0, 0])
    with pytest.raises(DataError, match=r"context, column 'hour': a number is expected. Found 'noon'"):
        encoder.transform_some({"hour": "noon"})


def test_no_context_at_all() -> None:
    assert ContextEncoder.fit({}).transform({}, num_rows=3).shape == (3, 0)


def test_missing_context_column_is_named() -> None:
    encoder = ContextEncoder.fit({"segment": np.array(["a"])})
    with pytest.raises(DataError, match=r"context: column 'segment' is missing. Found hour"):
        encoder.transform({"hour": np.array([1])})


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`kind` of a column should be numeric or categorical. Found 'x'"):
        ColumnEncoder.from_dict({"columns": [{"kind": "x", "name": "a"}]})
