"""What rows sent to the catalogue must keep. Every fault is told with table, row, field, rule and value; none is
repaired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from genco.data.catalogue import ELEMENT_COLUMNS, PRODUCT_COLUMNS, Catalogue
from genco.data.rules import Rule
from genco.errors import GencoError, UnknownIdError
from genco.runtime.rule_book import RuleBook
from genco.serving.additions import AddedElement, AddedProduct, Additions, unknown_rows
from genco.serving.errors import ApiError, RowFault
from genco.storage.rules_toml import rule_from_table
from genco.storage.toml_keys import unknown_value

MAX_SHOWN = 100


def merged(
    catalogue: Catalogue,
    had: Additions,
    products: Sequence[AddedProduct],
    elements: Sequence[AddedElement],
    rules: Sequence[Mapping[str, Any]] | None,
) -> tuple[Additions, tuple[Rule, ...] | None]:
    """What was added before together with the new rows, and the new rules. catalogue: the run's own.

    Raises `ApiError` 422 `invalid_rows` with every fault.
    """
    faults = [
        *_repeated("products", "product_id", [added.product_id for added in products]),
        *_repeated("elements", "element_id", [added.element_id for added in elements]),
        *feature_faults("products", [added.features for added in products], catalogue.products, PRODUCT_COLUMNS),
        *feature_faults("elements", [added.features for added in elements], catalogue.elements, ELEMENT_COLUMNS),
        *_element_faults(catalogue, had, products, elements),
    ]
    after = replace(
        had,
        products=tuple({added.product_id: added for added in (*had.products, *products)}.values()),
        elements=tuple({added.element_id: added for added in (*had.elements, *elements)}.values()),
    )
    read: tuple[Rule, ...] | None = None
    if rules is not None and not faults:
        new_products, new_elements, _ = unknown_rows(catalogue, replace(after, rules=()))
        whole = replace(
            catalogue,
            products=pl.concat([catalogue.products, new_products]),
            elements=pl.concat([catalogue.elements, new_elements]),
        )
        read, faults = _rules(whole, rules)
        after = replace(after, rules=read)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ApiError(422, "invalid_rows", f"{faults[0].message}{more}", rows=tuple(faults[:MAX_SHOWN]))
    return after, read


def _repeated(table: str, field: str, ids: Sequence[str]) -> Iterator[RowFault]:
    seen: set[str] = set()
    for row, name in enumerate(ids):
        if name in seen:
            yield _fault(table, row, field, "repeated", "an id that no earlier row has", name)
        seen.add(name)


def _element_faults(
    catalogue: Catalogue, had: Additions, products: Sequence[AddedProduct], elements: Sequence[AddedElement]
) -> Iterator[RowFault]:
    known = catalogue.product_rows.keys() | {added.product_id for added in (*had.products, *products)}
    earlier = {added.element_id: (added.component, added.product_id) for added in had.elements}
    for row, added in enumerate(elements):
        if added.product_id is not None and added.product_id not in known:
            expected = "a product of the catalogue or of this request"
            yield _fault("elements", row, "product_id", "unknown_product", expected, added.product_id)
        if added.component not in catalogue.components:
            expected = unknown_value("component", added.component, catalogue.components)
            yield _fault("elements", row, "component", "unknown_component", expected, added.component)
        at = catalogue.element_rows.get(added.element_id)
        own = earlier.get(added.element_id)
        if at is not None:
            own = catalogue.elements["component"][at], catalogue.elements["product_id"][at]
        for field, now, before in zip(
            ("component", "product_id"), (added.component, added.product_id), own or (), strict=False
        ):
            if now != before:
                yield _fault("elements", row, field, "fixed", f"{before!r}, as the element was made with", now)


def feature_faults(
    table: str, rows: Iterable[Mapping[str, Any]], like: pl.DataFrame, reserved: Sequence[str]
) -> Iterator[RowFault]:
    """Features that the table `like` does not have, or of another type. rows: features of each row."""
    columns = {name: dtype for name, dtype in like.schema.items() if name not in reserved}
    for row, features in enumerate(rows):
        for name, value in features.items():
            dtype = columns.get(name)
            if dtype is None:
                expected = unknown_value("feature", name, tuple(columns)) if columns else "no feature, the run has none"
                yield _fault(table, row, name, "unknown_feature", expected, value)
            elif value is not None and not _fits(value, dtype):
                yield _fault(table, row, name, "type", f"a value of type {dtype}", value)


def _fits(value: Any, dtype: pl.DataType) -> bool:
    if dtype.is_numeric():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and (not dtype.is_integer() or float(value).is_integer())
    return isinstance(value, bool) if dtype == pl.Boolean else isinstance(value, str) and dtype == pl.String


def _rules(catalogue: Catalogue, tables: Sequence[Mapping[str, Any]]) -> tuple[tuple[Rule, ...], list[RowFault]]:
    """The rules, each read against the catalogue they are for."""
    read: list[Rule] = []
    faults: list[RowFault] = []
    for row, table in enumerate(tables):
        try:
            read.append(rule_from_table(table, f"rules, row {row}"))
            RuleBook(replace(catalogue, rules=(read[-1],)))
        except GencoError as error:
            message = str(error) if str(error).startswith("rules, row") else f"rules, row {row}: {error}"
            rule = "unknown_id" if isinstance(error, UnknownIdError) else "rule"
            faults.append(RowFault("rules", row, "", rule, repr(dict(table))[:80], message))
    return tuple(dict.fromkeys(read)), faults


def _fault(table: str, row: int, field: str, rule: str, expected: str, value: Any) -> RowFault:
    shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}..."
    wanted = expected if expected[-1] in ".?" else f"{expected} is expected. Found {shown}."
    return RowFault(table, row, field, rule, shown, f"{table}, row {row}, field {field!r}: {wanted}")
