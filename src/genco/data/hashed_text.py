"""Text to vectors without a model: words, pairs of words and letter trigrams, hashed into signed buckets.

The features of "Red shoe!" are the tokens `red`, `shoe`, `!`; the pairs `red shoe`, `shoe !`; and the trigrams of the
tokens between blanks: ` re`, `red`, `ed `, ... A token is a run of letters and digits, or one symbol (currency, emoji),
or one Chinese or Japanese character, so that in those scripts the pairs are character bigrams. Text is normalised
first (Unicode NFKC, case folded). A feature seen t times weighs 1 + log t; rows have length 1; empty text is all zero.

Everything is 64-bit integer arithmetic on code points, hence equal on every machine and in every process.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]

_VERSION = 1
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|[^\w\s]")
_BLANK = ord(" ")
_BASE = np.uint64(0x9E3779B97F4A7C15)
_WORD, _PAIR, _TRIGRAM = np.uint64(0x632BE59BD9B4E019), np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)
_ROW_BITS, _HASH_BITS = np.uint64(16), np.uint64(48)
_MAX_ROWS, _MAX_CHARACTERS = 8_192, 500_000


@dataclass(frozen=True)
class HashedText:
    """A `TextEncoder` of `dim` buckets; needs no training and no download. Raises `ConfigError` if dim < 8."""

    dim: int = 256

    def __post_init__(self) -> None:
        if self.dim < 8:
            raise ConfigError(f"Parameter `dim` should be at least 8. Found `dim = {self.dim}`.")

    @property
    def name(self) -> str:
        """Identifies the encoding, version included: equal names give equal vectors."""
        return f"hashed-v{_VERSION}-{self.dim}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [text, dim], rows of length 1 (0 for text without a token)."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start, streams in _chunks(texts):
            vectors[start : start + len(streams)] = _hash_streams(streams, self.dim)
        return vectors


def tokens(text: str) -> list[str]:
    """Return the normalised tokens of `text`."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return _TOKEN.findall(folded)


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (first row, token streams), bounded in rows and characters. A stream is the tokens, a blank around each."""
    start, size, streams = 0, 0, list[str]()
    for row, text in enumerate(texts):
        stream = f" {' '.join(tokens(text))} "
        if streams and (len(streams) == _MAX_ROWS or size + len(stream) > _MAX_CHARACTERS):
            yield start, streams
            start, size, streams = row, 0, []
        streams.append(stream)
        size += len(stream)
    if streams:
        yield start, streams


def _hash_streams(streams: list[str], dim: int) -> NDArray[np.float32]:
    points = np.frombuffer("".join(streams).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    row_of = np.repeat(np.arange(len(streams)), [len(stream) for stream in streams])
    blank = points == _BLANK
    letters = _mix(points.astype(np.uint64) + _BASE)
    starts, words = _words(letters, blank)
    same_text = row_of[starts[1:]] == row_of[starts[:-1]]
    pairs = _mix(words[:-1] * _PAIR + words[1:])[same_text]
    trigram_starts, trigrams = _trigrams(letters, blank)
    hashes = np.concatenate([words, pairs, trigrams])
    rows = row_of[np.concatenate([starts, starts[:-1][same_text], trigram_starts])]
    return _buckets(rows, hashes, len(streams), dim)


def _words(letters: Hashes, blank: NDArray[np.bool_]) -> tuple[Positions, Hashes]:
    """Return the first position and the hash of every token: sum of letter * base^place."""
    starts = np.flatnonzero(~blank & np.concatenate([[True], blank[:-1]]))
    if not len(starts):
        return starts, np.empty(0, dtype=np.uint64)
    ends = np.append(starts[1:], len(letters))
    place = np.arange(len(letters) - starts[0]) - np.repeat(starts - starts[0], ends - starts)
    powers = np.concatenate([np.ones(1, dtype=np.uint64), np.cumprod(np.full(int(place.max()), _BASE))])
    terms = np.where(blank[starts[0] :], np.uint64(0), letters[starts[0] :] * powers[place])
    return starts, _mix(np.add.reduceat(terms, starts - starts[0]) ^ _WORD)


def _trigrams(letters: Hashes, blank: NDArray[np.bool_]) -> tuple[Positions, Hashes]:
    """Return first position and hash of each trigram inside a token or at its edge; one-letter tokens have none."""
    starts = np.flatnonzero(~blank[1:-1] & ~(blank[:-2] & blank[2:]))
    return starts, _mix((letters[starts] * _BASE + letters[starts + 1]) * _BASE + (letters[starts + 2] ^ _TRIGRAM))


def _buckets(rows: Positions, hashes: Hashes, num_rows: int, dim: int) -> NDArray[np.float32]:
    """Count equal (row, hash), then add sign * (1 + log count) into the hash's bucket; rows are normalised."""
    keys = np.sort((rows.astype(np.uint64) << _HASH_BITS) | (hashes >> _ROW_BITS))
    first = (
        np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, dtype=np.int64)
    )
    counts = np.diff(np.append(first, len(keys)))
    keys = keys[first]
    bucket = ((keys >> np.uint64(1)) & np.uint64((1 << 47) - 1)) % np.uint64(dim)
    sign = np.where(keys & np.uint64(1), 1.0, -1.0)
    cell = (keys >> _HASH_BITS).astype(np.int64) * dim + bucket.astype(np.int64)
    table = np.bincount(cell, weights=sign * (1.0 + np.log(counts)), minlength=num_rows * dim).reshape(num_rows, dim)
    length = np.sqrt(np.square(table).sum(axis=1, keepdims=True))
    return (table / np.where(length > 0, length, 1.0)).astype(np.float32)


def _mix(values: Hashes) -> Hashes:
    """Spread 64-bit values evenly (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
