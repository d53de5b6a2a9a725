"""`dataset.toml`: what a dataset folder says of itself. Example:

name = "spring-cards"
schema_version = 1
reward = "num_clicks"              # or num_conversions, revenue
context = ["segment"]              # context columns of the impressions
split = "time"                     # or product: how trainers hold out rows by default

[origin]                           # free: where the data come from
source = "web log"

[[slots]]
name = "title"
component = "title"
required = true                    # false = the slot may stay empty (null in the impressions)

[[rules]]                          # see rules_toml.py
kind = "pin"
slot = "title"
element = "t1"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genco.data.batch import RESERVED_COLUMNS
from genco.data.catalogue import Slot
from genco.data.rules import Rule
from genco.errors import DataError
from genco.storage.rules_toml import rule_from_table, rule_to_table
from genco.storage.toml_file import load_toml, save_toml
from genco.storage.toml_keys import check_keys, unknown_value

DATASET_FILE = "dataset.toml"
SCHEMA_VERSION = 1
REWARDS = ("num_clicks", "num_conversions", "revenue")
SPLITS = ("time", "product")
_KEYS = ("name", "schema_version", "reward", "context", "split", "origin", "slots", "rules")
_SLOT_KEYS = ("name", "component", "required")


@dataclass(frozen=True)
class DatasetMeta:
    """What `dataset.toml` says. Raises `DataError` if slots or context are empty-named, doubled or reserved.

    reward: the column that counts as reward · context: names of context columns, in order · origin: free table
    (source, citation, what was dropped with counts) · split: how trainers hold out rows by default.
    """

    name: str
    slots: tuple[Slot, ...]
    rules: tuple[Rule, ...] = ()
    reward: str = "num_clicks"
    context: tuple[str, ...] = ()
    origin: Mapping[str, str | int | float] = field(default_factory=dict)
    split: str = "time"

    def __post_init__(self) -> None:
        if not self.slots:
            raise DataError("Key `slots` should name at least one slot. Found none.")
        if self.reward not in REWARDS:
            raise DataError(f"Key `reward`: {unknown_value('reward', self.reward, REWARDS)}")
        if self.split not in SPLITS:
            raise DataError(f"Key `split`: {unknown_value('split', self.split, SPLITS)}")
        seen = set(RESERVED_COLUMNS)
        for what, name in [("slot", slot.name) for slot in self.slots] + [("context column", c) for c in self.context]:
            if not name:
                raise DataError(f"The name of a {what} should not be empty. Found {name!r}.")
            if name in seen:
                why = "a reserved column" if name in RESERVED_COLUMNS else "used twice"
                raise DataError(f"The name of a {what} should be unique and not reserved. Found {name!r}, {why}.")
            seen.add(name)


def write_meta(folder: Path, meta: DatasetMeta) -> None:
    """Write `folder/dataset.toml`."""
    table = {
        "name": meta.name,
        "schema_version": SCHEMA_VERSION,
        "reward": meta.reward,
        "context": list(meta.context),
        "split": meta.split,
        "origin": dict(meta.origin),
        "slots": [{"name": s.name, "component": s.component, "required": s.required} for s in meta.slots],
        "rules": [rule_to_table(rule) for rule in meta.rules],
    }
    save_toml(folder / DATASET_FILE, table)


def read_meta(folder: Path) -> DatasetMeta:
    """Read `folder/dataset.toml`. Raises `DataError` naming the file, the key and the value found."""
    path = folder / DATASET_FILE
    if not path.is_file():
        raise DataError(f"{folder}: a dataset folder with a {DATASET_FILE} is expected. {_found(folder)}")
    table = load_toml(path)
    check_keys(table, _KEYS, str(path))
    version = table.get("schema_version")
    if version != SCHEMA_VERSION:
        raise DataError(f"{path}: key `schema_version` should be {SCHEMA_VERSION}. Found {version!r}.")
    for key in ("name", "slots"):
        if key not in table:
            raise DataError(f"{path}: key `{key}` is missing. Found {', '.join(table)}.")
    slots = tuple(_slot(entry, f"{path}, slot {i}") for i, entry in enumerate(_value(table, "slots", list, path)))
    rules = _value(table, "rules", list, path)
    try:
        return DatasetMeta(
            name=_value(table, "name", str, path),
            slots=slots,
            rules=tuple(rule_from_table(entry, f"{path}, rule {i}") for i, entry in enumerate(rules)),
            reward=_value(table, "reward", str, path, "num_clicks"),
            context=_texts(table, "context", path),
            origin=_value(table, "origin", dict, path),
            split=_value(table, "split", str, path, "time"),
        )
    except DataError as error:
        message = str(error)
        raise error if message.startswith(str(path)) else DataError(f"{path}: {message}") from error


def _slot(table: Any, where: str) -> Slot:
    if not isinstance(table, Mapping):
        raise DataError(f"{where}: a table is expected. Found {table!r}.")
    check_keys(table, _SLOT_KEYS, where)
    name = _value(table, "name", str, where, None)
    return Slot(name, _value(table, "component", str, where, name), _value(table, "required", bool, where, True))


def _value(table: Mapping[str, Any], key: str, kind: type, where: str | Path, default: Any = ...) -> Any:
    """The value of `key`, or `default`; without one an empty `kind`. None as default = the key is needed."""
    value = table.get(key, kind() if default is ... else default)
    if not isinstance(value, kind):
        found = "none" if value is None else repr(value)
        words = {str: "a text", bool: "true or false", list: "a list", dict: "a table"}[kind]
        raise DataError(f"{where}: key `{key}` should be {words}. Found {found}.")
    return value


def _texts(table: Mapping[str, Any], key: str, where: str | Path) -> tuple[str, ...]:
    values = _value(table, key, list, where)
    if not all(isinstance(value, str) for value in values):
        raise DataError(f"{where}: key `{key}` should be a list of texts. Found {values!r}.")
    return tuple(values)


def _found(folder: Path) -> str:
    if not folder.exists():
        return "Found no such folder."
    if not folder.is_dir():
        return "Found a file."
    names = sorted(path.name for path in folder.iterdir())
    return f"Found {', '.join(names[:5])}." if names else "Found an empty folder."
