"""The table of what was added to the catalogue: products and elements in order of arrival, and rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from genco.data.rules import Rule
from genco.serving.additions import AddedElement, AddedProduct, Additions
from genco.serving.store import store_name
from genco.serving.tables import additions
from genco.storage.rules_toml import rule_from_table, rule_to_table

PRODUCT, ELEMENT, RULE = "product", "element", "rule"


def read_additions(connection: Connection) -> Additions:
    """Everything that was added."""
    found: dict[str, list[str]] = {PRODUCT: [], ELEMENT: [], RULE: []}
    for kind, body in connection.execute(select(additions.c.kind, additions.c.body).order_by(additions.c.number)):
        found[kind].append(body)
    return Additions(
        tuple(AddedProduct.model_validate_json(body) for body in found[PRODUCT]),
        tuple(AddedElement.model_validate_json(body) for body in found[ELEMENT]),
        tuple(rule_from_table(json.loads(body), "rule") for body in found[RULE]),
        store_name(connection),
    )


def write_additions(
    connection: Connection,
    products: Sequence[AddedProduct],
    elements: Sequence[AddedElement],
    rules: Sequence[Rule] | None,
    at: int,
) -> None:
    """Add rows; one whose id is there already takes its place. rules: all that hold from now on, None = as before."""
    _put(connection, PRODUCT, {added.product_id: added.model_dump_json() for added in products}, at)
    _put(connection, ELEMENT, {added.element_id: added.model_dump_json() for added in elements}, at)
    if rules is not None:
        connection.execute(delete(additions).where(additions.c.kind == RULE))
        bodies = [json.dumps(rule_to_table(rule)) for rule in rules]
        _put(connection, RULE, {hashlib.blake2b(body.encode()).hexdigest(): body for body in bodies}, at)


def _put(connection: Connection, kind: str, bodies: dict[str, str], at: int) -> None:
    if not bodies:
        return
    known = set(connection.execute(select(additions.c.row_id).where(additions.c.kind == kind)).scalars())
    fresh = [
        {"kind": kind, "row_id": row_id, "body": body, "at": at}
        for row_id, body in bodies.items()
        if row_id not in known
    ]
    if fresh:
        connection.execute(insert(additions), fresh)
    changed = [{"changed": row_id, "body": body, "at": at} for row_id, body in bodies.items() if row_id in known]
    if changed:
        same = (additions.c.kind == kind) & (additions.c.row_id == bindparam("changed"))
        connection.execute(update(additions).where(same), changed)
