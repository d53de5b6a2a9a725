"""`genco keys`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from genco.cli.options import AsJson, Store
from genco.cli.output import show

keys = typer.Typer(no_args_is_help=True, help="API keys of the service.")


class Scope(StrEnum):
    """Scopes of `genco.serving.keys.SCOPES`."""

    decide = "decide"
    ingest = "ingest"
    read = "read"
    admin = "admin"


@keys.command("add")
def add(
    name: Annotated[str, typer.Option(help="Who the key is for.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; once for each scope.")],
    store: Store = "genco.db",
    json: AsJson = False,
) -> None:
    """Make a key and print it: the store keeps only its hash."""
    from genco.serving.keys import add_key
    from genco.serving.store import open_store

    scopes = tuple(dict.fromkeys(entry.value for entry in scope))
    key_id, secret = add_key(open_store(store), name, scopes, _now())
    show({"key_id": key_id, "key": secret, "name": name, "scopes": scopes}, f"{key_id}  {secret}", json)


@keys.command("list")
def list_(store: Store = "genco.db", json: AsJson = False) -> None:
    """List keys: id, name, scopes, when made and revoked."""
    from genco.serving.keys import list_keys
    from genco.serving.store import open_existing_store

    found = list_keys(open_existing_store(store))
    lines = [f"{k.key_id}  {k.name}  {' '.join(k.scopes)}  {_day(k.created_at)}  {_day(k.revoked_at)}" for k in found]
    show({"keys": [vars(key) for key in found]}, "\n".join(lines), json)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `list` shows it.")], store: Store = "genco.db", json: AsJson = False
) -> None:
    """Make a key invalid; a running server obeys within seconds."""
    from genco.serving.keys import revoke_key
    from genco.serving.store import open_existing_store

    revoke_key(open_existing_store(store), key_id, _now())
    show({"key_id": key_id}, f"{key_id} is revoked", json)


def _now() -> int:
    return time.time_ns() // 1_000


def _day(at: int | None) -> str:
    return "-" if at is None else datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
