"""Where the real data lie: the folder in GENCO_DATA, or ../shared/data beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


def real_data(name: str) -> Path:
    """Return the folder or file `name` of the real data; skip the test if it is absent."""
    folder = Path(os.environ.get("GENCO_DATA") or _REPOSITORY.parent / "shared" / "data")
    path = folder / name
    if not path.exists():
        pytest.skip(f"real data {name!r} not found; set GENCO_DATA to the folder that holds it")
    return path
