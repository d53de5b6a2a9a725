"""Tables in Markdown, and figures with their spread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)) + "\n"


def mean_and_sd(values: Iterable[float | None], digits: int = 3) -> str:
    """`0.912 (0.004)`: mean and sample standard deviation of the known values; no deviation of one value, `-` of
    none."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return "-"
    spread = f" ({known.std(ddof=1):,.{digits}f})" if len(known) > 1 else ""
    return f"{known.mean():,.{digits}f}{spread}"
