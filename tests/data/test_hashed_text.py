"""Hashed text: hand-worked tokens, stability across processes, and what similarity means."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genco.data.hashed_text import HashedText, tokens
from genco.errors import ConfigError


def test_tokens_by_hand() -> None:
    assert tokens("Red shoe!") == ["red", "shoe", "!"]
    assert tokens("50% off 🔥") == ["50", "%", "off", "🔥"]
    assert tokens("新款 Nike鞋") == ["新", "款", "nike", "鞋"]
    assert tokens("\uff21\uff22\uff23 straße") == ["abc", "strasse"], "full width folds to ASCII, sharp s to ss"


def test_one_token_has_one_word_and_its_trigrams() -> None:
    vector = HashedText(4096).encode(["ab"])[0]
    assert np.count_nonzero(vector) == 3, "word ab, trigrams ' ab' and 'ab '"
    np.testing.assert_allclose(np.abs(vector[vector != 0]), 1 / np.sqrt(3), rtol=1e-6)


def test_repeated_feature_is_sublinear() -> None:
    """`a a a`: word a three times (1 + log 3), pair `a a` twice (1 + log 2), no trigram."""
    vector = np.sort(np.abs(HashedText(4096).encode(["a a a"])[0]))[::-1][:2]
    assert vector[0] / vector[1] == pytest.approx((1 + np.log(3)) / (1 + np.log(2)), rel=1e-5)


def test_golden_vectors_are_the_same_in_every_process() -> None:
    vectors = HashedText(64).encode(["Red shoe", "新款女鞋", "a"])
    digest = hashlib.sha256(np.round(vectors * 1e4).astype(np.int32).tobytes()).hexdigest()[:16]
    assert digest == "b6a85832beee1406"


def test_empty_texts_are_zero_and_no_text_is_no_row() -> None:
    encoder = HashedText()
    assert not encoder.encode(["", "   ", "\n"]).any()
    assert encoder.encode([]).shape == (0, 256)
    assert encoder.encode(["x"]).dtype == np.float32


def test_similar_titles_are_nearer_in_latin_and_in_chinese() -> None:
    vectors = HashedText(1024).encode(["red running shoe", "blue running shoe", "garden hose", "新款女鞋", "新款男鞋"])
    near = vectors @ vectors.T
    assert near[0, 1] > 0.4 > near[0, 2] + 0.2
    assert near[3, 4] > 0.4 > abs(near[3, 0]) + 0.2


def test_long_text_and_position_in_the_batch_do_not_matter() -> None:
    encoder, long = HashedText(), "wörd 🔥 " * 1500
    texts = ["one title", long, "", "another title"] * 40
    together = encoder.encode(texts)
    for row in range(4):
        np.testing.assert_array_equal(together[row + 100], encoder.encode([texts[row]])[0])


@given(st.lists(st.text(max_size=40), max_size=8))
def test_rows_have_length_one_or_zero(texts: list[str]) -> None:
    vectors = HashedText(128).encode(texts)
    lengths = np.linalg.norm(vectors, axis=1)
    assert vectors.shape == (len(texts), 128)
    assert all(abs(length - 1) < 1e-5 or length == 0 for length in lengths)


def test_name_tells_the_dimension() -> None:
    assert HashedText(64).name != HashedText(128).name


def test_too_few_buckets_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"`dim` should be at least 8. Found `dim = 4`"):
        HashedText(4)
