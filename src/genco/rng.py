"""Seeded random streams: one seed per run, one independent stream per named purpose."""

from __future__ import annotations

import hashlib

import numpy as np

from genco.errors import ConfigError


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of `seed` for the purpose `names`; equal arguments give equal streams.

    Streams of different names are independent, so adding a consumer never shifts the draws of another. Raises
    `ConfigError` for a negative seed.
    """
    if seed < 0:
        raise ConfigError(f"Parameter `seed` should not be negative. Found {seed}.")
    return np.random.default_rng(np.random.SeedSequence([seed, stable_hash(*names)]))


def stable_hash(*parts: str | int) -> int:
    """Return a 64-bit hash of `parts` that is the same in every process and on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
