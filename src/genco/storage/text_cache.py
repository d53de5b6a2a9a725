"""A text encoder that remembers: vectors are kept on disk under the hash of (encoder name, text).

One folder per encoder name holds *shards*, each a `.npz` of keys [text, 32] and vectors [text, dim]. A shard is written
under another name and then renamed, and never changed, so any number of processes may share the folder: the worst that
happens is that two of them encode the same text. A shard that cannot be read is treated as absent.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genco.data.features import TextEncoder
from genco.errors import DataError

_MAX_SHARDS = 64
_SHARD_TEXTS = 65_536


class CachedText:
    """Wraps `encoder`, itself a `TextEncoder` of the same name and dimension; shards live in `folder/<name>`."""

    def __init__(self, encoder: TextEncoder, folder: Path) -> None:
        self._encoder = encoder
        self._folder = folder / re.sub(r"[^\w.-]", "_", encoder.name)
        self._vectors: dict[bytes, NDArray[np.float32]] = {}
        self._read: set[str] = set()

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def dim(self) -> int:
        return self._encoder.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [text, dim]; only texts not seen before, by any process, reach the encoder."""
        keys = [self._key(text) for text in texts]
        self._read_new_shards()
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        for start in range(0, len(missing), _SHARD_TEXTS):
            self._encode_missing(dict(list(missing.items())[start : start + _SHARD_TEXTS]))
        if not keys:
            return np.zeros((0, self.dim), dtype=np.float32)
        return np.stack([self._vectors[key] for key in keys])

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.name}\0{text}".encode("utf-8", "surrogatepass")).digest()

    def _encode_missing(self, missing: dict[bytes, str]) -> None:
        vectors = self._encoder.encode(list(missing.values()))
        if vectors.shape != (len(missing), self.dim):
            raise DataError(f"Encoder {self.name!r} should return ({len(missing)}, {self.dim}). Found {vectors.shape}.")
        self._vectors.update(zip(missing, vectors, strict=True))
        self._write_shard(list(missing))
        if len(self._shards()) > _MAX_SHARDS:
            self._merge_shards()

    def _shards(self) -> list[Path]:
        return sorted(self._folder.glob("*.npz"))

    def _read_new_shards(self) -> None:
        for path in self._shards():
            if path.name not in self._read:
                self._read.add(path.name)
                self._vectors |= _read_shard(path, self.dim)

    def _merge_shards(self) -> None:
        """Replace all shards read so far by one. Another process that loses a file keeps what it had read of it."""
        self._read_new_shards()
        old = [path for path in self._shards() if path.name in self._read]
        self._write_shard(list(self._vectors))
        for path in old:
            path.unlink(missing_ok=True)

    def _write_shard(self, keys: list[bytes]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{uuid.uuid4().hex}.npz"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                np.savez(
                    file,
                    keys=np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32),
                    vectors=np.stack([self._vectors[key] for key in keys]),
                )
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._read.add(path.name)


def _read_shard(path: Path, dim: int) -> dict[bytes, NDArray[np.float32]]:
    """Return vectors by key; nothing if the file vanished, is damaged, or has another dimension."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            keys, vectors = arrays["keys"], arrays["vectors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    if keys.ndim != 2 or keys.shape[1] != 32 or vectors.shape != (len(keys), dim) or vectors.dtype != np.float32:
        return {}
    return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}
