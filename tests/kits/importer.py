"""Conformance kit of importers: what every `import_<format>` must do, on good input and on bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genco.errors import GencoError
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.importers.summary import ImportSummary
from genco.storage.validate import validate_dataset

Importer = Callable[..., ImportSummary]


def check_import(
    importer: Importer, source: Path, out: Path, num_rows: int, **arguments: Any
) -> tuple[ImportSummary, Dataset]:
    """Import `source`; the dataset must hold `num_rows` impression rows. Returns what a test may look at further."""
    summary = importer(source, out, **arguments)
    dataset = open_dataset(out)
    _check_counts_add_up(summary)
    _check_origin_is_stated(summary, dataset)
    assert dataset.num_rows == num_rows
    assert validate_dataset(out) == []
    _check_rows_read_back(dataset)
    _check_nothing_else_was_written(out)
    with pytest.raises(GencoError, match=out.name):
        importer(source, out, **arguments)
    return summary, dataset


def check_same_seed_same_dataset(importer: Importer, source: Path, folder: Path, **arguments: Any) -> None:
    """Two imports with equal arguments hold equal rows."""
    batches = []
    for name in ("first", "second"):
        importer(source, folder / name, **arguments)
        batches.append(list(open_dataset(folder / name).batches()))
    for a, b in zip(*batches, strict=True):
        np.testing.assert_array_equal(a.combination, b.combination)
        np.testing.assert_array_equal(a.reward, b.reward)
        np.testing.assert_array_equal(a.timestamp, b.timestamp)


def check_refusal(importer: Importer, source: Path, out: Path, *shown: str, **arguments: Any) -> None:
    """Bad input: one genco error that shows every given text (file, row, value), and nothing left behind."""
    before = sorted(out.parent.iterdir()) if out.parent.exists() else []
    with pytest.raises(GencoError) as caught:
        importer(source, out, **arguments)
    for text in shown:
        assert text in str(caught.value), f"{text!r} is not in {str(caught.value)!r}"
    assert not out.exists()
    assert (sorted(out.parent.iterdir()) if out.parent.exists() else []) == before


def _check_counts_add_up(summary: ImportSummary) -> None:
    assert summary.rows_read > 0
    assert all(count >= 0 for count in summary.dropped.values())
    assert summary.rows_read == summary.rows_written + sum(summary.dropped.values())


def _check_origin_is_stated(summary: ImportSummary, dataset: Dataset) -> None:
    assert "https://" in summary.origin
    assert str(dataset.meta.origin["source"]) in summary.origin
    assert str(dataset.meta.origin["citation"]) in summary.origin
    assert summary.notes
    assert summary.name == dataset.meta.name
    for reason, count in summary.dropped.items():
        assert dataset.meta.origin[f"dropped_{reason}"] == count


def _check_rows_read_back(dataset: Dataset) -> None:
    """Every batch joins to the catalogue, and every shown element stands among its slot's candidates."""
    catalogue, rows = dataset.catalogue, 0
    for batch in dataset.batches():
        rows += len(batch)
        assert np.all(batch.num_impressions >= batch.reward)
        for slot in range(catalogue.num_slots):
            shown = batch.combination[:, slot]
            required = catalogue.slots[slot].required
            assert not required or np.all(shown >= 0)
            component = catalogue.components.index(catalogue.slots[slot].component)
            assert np.all(catalogue.element_component[shown[shown >= 0]] == component)
    assert rows == dataset.num_rows
    assert catalogue.elements["element_id"].is_unique().all()
    assert catalogue.products["product_id"].is_unique().all()


def _check_nothing_else_was_written(out: Path) -> None:
    assert [path.name for path in out.parent.iterdir() if path.name != out.name and out.name in path.name] == []
