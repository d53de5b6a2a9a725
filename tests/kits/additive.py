"""Random additive tables, with factors, explicit pair tables, or both."""

from __future__ import annotations

import numpy as np

from genco.runtime.additive_tables import AdditiveTables


def random_tables(sizes: tuple[int, ...], seed: int, rank: int = 3, tables: bool = True) -> AdditiveTables:
    """Tables over `sizes` candidates per slot; some pairs have no term, ranks differ by slot."""
    rng = np.random.default_rng(seed)
    ranks = [rank + slot % 2 for slot in range(len(sizes))]

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0.5, 1.0, shape).astype(np.float32)

    pairs = [(c, d) for c in range(len(sizes)) for d in range(c + 1, len(sizes))]
    return AdditiveTables(
        own=tuple(draw(size) for size in sizes),
        factors=tuple(draw(size, r) for size, r in zip(sizes, ranks, strict=True)),
        bilinear={(c, d): draw(ranks[c], ranks[d]) for c, d in pairs if rank and (c + d) % 4},
        pair_tables={(c, d): draw(sizes[c], sizes[d]) for c, d in pairs if tables and (c + d) % 2},
    )
