"""Conformance kit of exporters: what every `export_<format>` must do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from genco.errors import ConfigError, DataError
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.exporters import ExportSummary

from .small_dataset import write_small

Exporter = Callable[..., ExportSummary]


def check_export(exporter: Exporter, dataset: Dataset, out: Path, rows: int, dropped: int) -> ExportSummary:
    """Every impression is written or counted, nothing else is left, and nothing is overwritten unasked."""
    done = exporter(dataset, out)
    assert (done.rows, done.dropped) == (rows, {"no_propensity": dropped})
    assert done.path.exists() and done.notes
    before = _files(out)
    assert before and not [name for name in before if name.endswith(".part")]
    with pytest.raises(DataError, match="does not exist yet"):
        exporter(dataset, out)
    assert _files(out) == before
    assert exporter(dataset, out, overwrite=True) == done
    assert _files(out).keys() == before.keys()
    return done


def check_refusals(exporter: Exporter, folder: Path) -> None:
    """Revenue as reward: an error, and nothing stays behind."""
    dataset = open_dataset(write_small(folder / "revenue"))
    dataset.meta = replace(dataset.meta, reward="revenue")
    with pytest.raises(ConfigError, match="revenue"):
        exporter(dataset, folder / "refused")
    assert _files(folder / "refused") == {}


def _files(out: Path) -> dict[str, bytes]:
    found = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in found}
