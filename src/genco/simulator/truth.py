"""Restores the truth that a dataset folder keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from genco.errors import DataError
from genco.simulator.tables import TableWorld
from genco.simulator.world import World
from genco.storage.dataset import Dataset


def truth_from_arrays(arrays: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> World | TableWorld:
    """The `World` or `TableWorld` of `Dataset.read_truth()`. Raises `DataError` for a kind that is neither."""
    kind = info.get("kind")
    if kind == "world":
        return World.from_arrays(arrays, info)
    if kind == "table":
        return TableWorld.from_arrays(arrays, info)
    raise DataError(f"The kind of a truth must be 'world' or 'table'. Found {kind!r}.")


def truth_of(dataset: Dataset) -> World | TableWorld | None:
    """The truth that a dataset keeps, None where it has none. Raises `DataError` if it is damaged."""
    return truth_from_arrays(*dataset.read_truth()) if dataset.has_truth else None
