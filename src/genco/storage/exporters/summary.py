"""What an exporter did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ExportSummary:
    """path: what was written · rows: impressions in it · dropped: reason -> impressions · notes: what to know before
    believing a number."""

    path: Path
    rows: int
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
