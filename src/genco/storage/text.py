"""The text encoder a configuration names, behind its on-disk cache where encoding is slow."""

from __future__ import annotations

from pathlib import Path

from genco.data.features import TextEncoder
from genco.data.hashed_text import HashedText
from genco.errors import ConfigError
from genco.storage.minilm_text import MiniLMText
from genco.storage.text_cache import CachedText


def text_encoder(name: str, cache: Path) -> TextEncoder | None:
    """The encoder named: hashed, minilm (cached under `cache`) or none. Raises `ConfigError` for another name."""
    if name == "hashed":
        return HashedText()
    if name == "minilm":
        return CachedText(MiniLMText(), cache)
    if name == "none":
        return None
    raise ConfigError(f'Parameter `text` should be "hashed", "minilm" or "none". Found {name!r}.')
