"""The text cache: one encoding per text, shared by processes, indifferent to damaged files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genco.data.hashed_text import HashedText
from genco.errors import DataError
from genco.storage import text_cache
from genco.storage.text_cache import CachedText


class CountingText:
    """Hashed text that remembers what it was asked."""

    name, dim = "counting-v1", 16

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return HashedText(16).encode(texts)


def test_a_second_process_asks_for_nothing(tmp_path: Path) -> None:
    first, second = CountingText(), CountingText()
    texts = ["red", "blue", "red", ""]
    vectors = CachedText(first, tmp_path).encode(texts)
    np.testing.assert_array_equal(CachedText(second, tmp_path).encode(texts), vectors)
    np.testing.assert_array_equal(vectors, HashedText(16).encode(texts))
    assert (first.asked, second.asked) == (["red", "blue", ""], [])


def test_open_caches_see_what_others_wrote_since(tmp_path: Path) -> None:
    one, two = CachedText(CountingText(), tmp_path), CachedText(counting := CountingText(), tmp_path)
    two.encode(["a"])
    one.encode(["b"])
    two.encode(["a", "b"])
    assert counting.asked == ["a"]


def test_another_encoder_name_is_another_entry(tmp_path: Path) -> None:
    CachedText(HashedText(16), tmp_path).encode(["a"])
    assert CachedText(HashedText(32), tmp_path).encode(["a"]).shape == (1, 32)


def test_damaged_shards_are_encoded_again(tmp_path: Path) -> None:
    CachedText(CountingText(), tmp_path).encode(["a"])
    (shard,) = tmp_path.rglob("*.npz")
    shard.write_bytes(shard.read_bytes()[:50])
    again = CountingText()
    np.testing.assert_array_equal(CachedText(again, tmp_path).encode(["a"]), HashedText(16).encode(["a"]))
    assert again.asked == ["a"]


def test_many_writers_and_merging_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_cache, "_MAX_SHARDS", 4)

    def write(worker: int) -> None:
        cache = CachedText(CountingText(), tmp_path)
        for i in range(10):
            cache.encode([f"text {worker} {i}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    check = CountingText()
    CachedText(check, tmp_path).encode([f"text {worker} {i}" for worker in range(4) for i in range(10)])
    assert check.asked == []
    assert not list(tmp_path.rglob("*.part"))


def test_no_text(tmp_path: Path) -> None:
    assert CachedText(CountingText(), tmp_path).encode([]).shape == (0, 16)


def test_an_encoder_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    class Wrong(CountingText):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.zeros((len(texts), 3), dtype=np.float32)

    with pytest.raises(DataError, match=r"Encoder 'counting-v1' should return \(1, 16\). Found \(1, 3\)"):
        CachedText(Wrong(), tmp_path).encode(["a"])
