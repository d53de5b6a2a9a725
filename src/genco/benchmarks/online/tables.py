"""Published tables of click rates as worlds of the online loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from genco.benchmarks.online.arm_table import ROOT, ArmTable
from genco.benchmarks.online.environment import RateEnvironment, constant
from genco.errors import DataError
from genco.storage.importers.aes import CONSTRAINT_FILE, PARTS, read_aes
from genco.storage.importers.autoco import FEATURES, SLOTS, read_autoco
from genco.storage.importers.rate_table import rate_table

AES_PARENTS = (ROOT, ROOT, 0, 2)
"""Background and size hang from the template, the colour from the background, the font from the colour."""


def table_files(source: Path) -> list[Path]:
    """`source` if it is a file, else every `.txt` of that folder but the constraint. Raises `DataError` for none."""
    if source.is_file():
        return [source]
    found = sorted(path for path in source.glob("*.txt") if path.name != CONSTRAINT_FILE)
    if not found:
        raise DataError(f"{source}: a file, or a folder with files `.txt`, is expected. Found neither.")
    return found


def aes_environment(path: Path) -> RateEnvironment:
    """An AES table; a template is an item. The file lists the legal combinations."""
    return _environment(read_aes(path), "template", PARTS, (), AES_PARENTS)


def autoco_environment(path: Path) -> RateEnvironment:
    """The AutoCO table: items with their fields."""
    return _environment(read_autoco(path), "item", SLOTS, FEATURES)


def _environment(
    rows: pl.DataFrame,
    item: str,
    slots: tuple[str, ...],
    features: tuple[str, ...],
    parents: tuple[int, ...] | None = None,
) -> RateEnvironment:
    table = rate_table(rows, item, slots, "ctr")
    elements = table.keys[:, 1:] - table.keys[:, 1:].min(axis=0)
    items = rows.unique(item, maintain_order=True)
    fields = (
        np.stack([items[name].to_numpy() for name in features], axis=1) if features else np.zeros((items.height, 0))
    )
    arms = ArmTable(table.keys[:, 0], elements.astype(np.int32), fields.astype(np.int32), parents)
    return RateEnvironment(arms, constant(table.rates))
