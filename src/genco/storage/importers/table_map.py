"""The TOML column map of `genco import table`: which column of your tables is which of ours. See `table.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genco.data.batch import RESERVED_COLUMNS
from genco.data.catalogue import Slot
from genco.errors import DataError
from genco.storage.dataset_toml import DatasetMeta
from genco.storage.importers.source import SEPARATORS
from genco.storage.rules_toml import rule_from_table
from genco.storage.toml_file import load_toml
from genco.storage.toml_keys import check_keys, unknown_value

VALUES = ("ids", "texts", "images")
UNITS = ("s", "ms", "us")
_KEYS = (
    "name",
    "reward",
    "split",
    "separator",
    "categorical",
    "timestamp_format",
    "timestamp_unit",
    "columns",
    "context",
    "slots",
    "elements",
    "products",
    "rules",
    "origin",
)
_SLOT_KEYS = ("column", "component", "required", "values", "shared")
_ELEMENT_KEYS = ("file", "element_id", "product_id", "component", "text", "image_uri", "status", "features")
_PRODUCT_KEYS = ("file", "product_id", "features")


@dataclass(frozen=True)
class SlotColumn:
    """Where a slot's elements stand in the log. values: what the column holds · shared: by all products."""

    slot: Slot
    column: str
    values: str = "ids"
    shared: bool = False


@dataclass(frozen=True)
class TableColumns:
    """A table of elements or products. columns: ours -> theirs · features: theirs, None = every other column."""

    file: Path
    columns: dict[str, str]
    features: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TableMap:
    """A column map, checked. columns: ours -> theirs, context columns included · separator: of columns of a CSV."""

    meta: DatasetMeta
    columns: dict[str, str]
    slots: tuple[SlotColumn, ...]
    elements: TableColumns | None = None
    products: TableColumns | None = None
    categorical: tuple[str, ...] = ()
    timestamp_format: str | None = None
    timestamp_unit: str | None = None
    separator: str = ","


def read_table_map(path: Path) -> TableMap:
    """Read a column map. Raises `DataError` naming file and key; for an unknown key, the nearest known one."""
    table, where = load_toml(path), str(path)
    check_keys(table, _KEYS, where)
    for key in ("columns", "slots"):
        if not isinstance(table.get(key), Mapping) or not table[key]:
            raise DataError(f"{where}: a table `[{key}]` that is not empty is expected. Found {table.get(key)!r}.")
    check_keys(table["columns"], RESERVED_COLUMNS, f"{where}, table `columns`")
    context = _strings(table.get("context", {}), f"{where}, table `context`")
    slots = tuple(_slot(name, entry, f"{where}, slot {name!r}") for name, entry in table["slots"].items())
    _refuse_mixed_components(slots, where)
    elements = _table_columns(table.get("elements"), "elements", ("element_id", "component"), _ELEMENT_KEYS, path)
    if elements is not None:
        _refuse_inference(table["slots"], where)
    rules = tuple(rule_from_table(entry, f"{where}, rule {i}") for i, entry in enumerate(table.get("rules", [])))
    try:
        meta = DatasetMeta(
            name=str(table.get("name", path.stem)),
            slots=tuple(slot.slot for slot in slots),
            rules=rules,
            reward=str(table.get("reward", "num_clicks")),
            context=tuple(context),
            origin=dict(table.get("origin", {})),
            split=str(table.get("split", "time")),
        )
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    unit = table.get("timestamp_unit")
    if unit is not None and unit not in UNITS:
        raise DataError(f"{where}: {unknown_value('timestamp_unit', unit, UNITS)}")
    separator = table.get("separator", ",")
    if separator not in SEPARATORS:
        raise DataError(f"{where}: {unknown_value('separator', separator, SEPARATORS)}")
    return TableMap(
        meta=meta,
        columns={**_strings(table["columns"], f"{where}, table `columns`"), **context},
        slots=slots,
        elements=elements,
        products=_table_columns(table.get("products"), "products", ("product_id",), _PRODUCT_KEYS, path),
        categorical=tuple(_list(table.get("categorical", []), f"{where}, key `categorical`")),
        timestamp_format=table.get("timestamp_format"),
        timestamp_unit=unit,
        separator=separator,
    )


def _slot(name: str, entry: Any, where: str) -> SlotColumn:
    if not isinstance(entry, Mapping):
        raise DataError(f"{where}: a table is expected. Found {entry!r}.")
    check_keys(entry, _SLOT_KEYS, where)
    for key, default in (("required", True), ("shared", False)):
        if not isinstance(entry.get(key, default), bool):
            raise DataError(f"{where}: key `{key}` should be true or false. Found {entry[key]!r}.")
    values = entry.get("values", "ids")
    if values not in VALUES:
        raise DataError(f"{where}: {unknown_value('values', values, VALUES)}")
    slot = Slot(name, str(entry.get("component", name)), entry.get("required", True))
    return SlotColumn(slot, str(entry.get("column", name)), values, entry.get("shared", False))


def _refuse_mixed_components(slots: tuple[SlotColumn, ...], where: str) -> None:
    """Slots of one component draw from one pool of elements, so their columns hold the same kind of thing."""
    first: dict[str, SlotColumn] = {}
    for slot in slots:
        other = first.setdefault(slot.slot.component, slot)
        if (slot.values, slot.shared) != (other.values, other.shared):
            raise DataError(
                f"{where}: slots of one component should have equal `values` and `shared`. "
                f"Found {other.slot.name!r} and {slot.slot.name!r} to differ."
            )


def _refuse_inference(slots: Mapping[str, Any], where: str) -> None:
    for name, entry in slots.items():
        for key in ("values", "shared"):
            if key in entry:
                raise DataError(f"{where}, slot {name!r}: key `{key}` has no place beside a table `[elements]`.")


def _table_columns(
    table: Any, name: str, needed: tuple[str, ...], keys: tuple[str, ...], path: Path
) -> TableColumns | None:
    if table is None:
        return None
    where = f"{path}, table `{name}`"
    if not isinstance(table, Mapping):
        raise DataError(f"{where}: a table is expected. Found {table!r}.")
    check_keys(table, keys, where)
    for key in ("file", *needed):
        if key not in table:
            raise DataError(f"{where}: key `{key}` is missing. Found {', '.join(table) or 'none'}.")
    columns = _strings({key: table[key] for key in table if key not in ("file", "features")}, where)
    features = tuple(_list(table["features"], f"{where}, key `features`")) if "features" in table else None
    return TableColumns(path.parent / str(table["file"]), columns, features)


def _strings(table: Any, where: str) -> dict[str, str]:
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        raise DataError(f"{where}: names of columns are expected. Found {table!r}.")
    return dict(table)


def _list(values: Any, where: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise DataError(f"{where}: a list of names of columns is expected. Found {values!r}.")
    return list(values)
