"""Rules as TOML tables `[[rules]]` and back. The empty element is written "" (TOML has no null).

kind = "pin"       slot, element, product_id?
kind = "block"     element, slot?, product_id?
kind = "forbid"    pairs = [[a, b], ...], product_id?
kind = "allow"     slots = [first, second], pairs = [[a, b], ...], product_id?
kind = "only"      product_id, combinations = [[element of each slot, "" = empty], ...]
kind = "distinct"  slots = [...]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin, Rule
from genco.errors import DataError
from genco.storage.toml_keys import check_keys, unknown_value

KINDS: dict[str, type[Rule]] = {
    "pin": Pin,
    "block": Block,
    "forbid": Forbid,
    "allow": Allow,
    "only": Only,
    "distinct": Distinct,
}
_NAMES = {rule: kind for kind, rule in KINDS.items()}


def rule_to_table(rule: Rule) -> dict[str, Any]:
    """Return the rule as a table of plain values; absent keys stand for None."""
    table: dict[str, Any] = {"kind": _NAMES[type(rule)]}
    for field in fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, tuple):
            value = [_plain(entry) for entry in value]
        if value is not None:
            table[field.name] = value
    return table


def rule_from_table(table: Any, where: str) -> Rule:
    """Inverse of `rule_to_table`.

    Raises `DataError` beginning with `where` on an unknown kind or key, or a wrong type.
    """
    if not isinstance(table, Mapping):
        raise DataError(f"{where}: a table is expected. Found {table!r}.")
    kind = KINDS.get(str(table.get("kind")))
    if kind is None:
        raise DataError(f"{where}: {unknown_value('kind', table.get('kind'), tuple(KINDS))}")
    known = fields(kind)
    check_keys(table, ("kind", *(field.name for field in known)), where)
    arguments: dict[str, Any] = {}
    for field in known:
        if field.name in table:
            arguments[field.name] = _read(field.name, table[field.name], kind, f"{where}, key `{field.name}`")
        elif field.default is MISSING:
            raise DataError(f"{where}: a rule of kind {table['kind']!r} needs the key `{field.name}`. Found none.")
    return kind(**arguments)


def _plain(entry: Any) -> Any:
    return ["" if part is None else part for part in entry] if isinstance(entry, tuple) else entry


def _read(name: str, value: Any, kind: type[Rule], where: str) -> Any:
    if name == "combinations":
        rows = _lists(value, None, where)
        return tuple(tuple(entry or None for entry in row) for row in rows)
    if name == "pairs":
        return _lists(value, 2, where)
    if name == "slots":
        return _texts(value, 2 if kind is Allow else None, where)
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: a text that is not empty is expected. Found {value!r}.")
    return value


def _lists(value: Any, size: int | None, where: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list):
        raise DataError(f"{where}: a list of lists of texts is expected. Found {value!r}.")
    return tuple(_texts(row, size, f"{where}, entry {i}") for i, row in enumerate(value))


def _texts(value: Any, size: int | None, where: str) -> tuple[str, ...]:
    count = "" if size is None else f"{size} "
    if (
        not isinstance(value, list)
        or not all(isinstance(entry, str) for entry in value)
        or (size is not None and len(value) != size)
    ):
        raise DataError(f"{where}: a list of {count}texts is expected. Found {value!r}.")
    return tuple(value)
