"""API keys: made of 256 random bits, shown once, stored as a hash, with scopes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, insert, select, update

from genco.errors import ConfigError, UnknownIdError
from genco.serving.audit import note
from genco.serving.tables import keys

SCOPES = ("decide", "ingest", "read", "admin")
SHORTEST_KEY = 16
_NUM_REVOKED = select(func.count(keys.c.revoked_at))  # asked in every writing transaction: made once, it costs half
CLI = "cli"  # who acts by command line, in the audit log


@dataclass(frozen=True)
class Key:
    """A key as stored. revoked_at: None while it is valid."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: int
    revoked_at: int | None


def key_hash(secret: str) -> str:
    """SHA-256: keys have as many random bits as it has, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add_key(
    engine: Engine, name: str, scopes: tuple[str, ...], now: int, secret: str | None = None, actor: str = CLI
) -> tuple[str, str]:
    """Store a key, with its line in the audit log; returns its id and the key itself, which cannot be had again.
    secret: a key of your own.

    Raises `ConfigError` for an unknown scope, none at all, or an own key that is too short.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise ConfigError(f"Parameter `scope` should be one of {', '.join(SCOPES)}. Found {scope!r}.")
    if not scopes:
        raise ConfigError("Parameter `scope` should be given at least once. Found none.")
    if secret is not None and len(secret) < SHORTEST_KEY:
        raise ConfigError(f"A key should have at least {SHORTEST_KEY} characters. Found {len(secret)}.")
    secret = secret or f"genco_{secrets.token_urlsafe(32)}"
    key_id = secrets.token_hex(4)
    row = {"key_id": key_id, "hash": key_hash(secret), "name": name, "scopes": " ".join(scopes), "created_at": now}
    with engine.begin() as connection:
        connection.execute(insert(keys).values(**row))
        note(connection, now, actor, "add_key", {"key_id": key_id, "name": name, "scopes": scopes})
    return key_id, secret


def list_keys(engine: Engine) -> list[Key]:
    """All keys, revoked ones included, oldest first."""
    with engine.connect() as connection:
        found = connection.execute(select(keys).order_by(keys.c.created_at, keys.c.key_id)).all()
    return [Key(row.key_id, row.name, tuple(row.scopes.split()), row.created_at, row.revoked_at) for row in found]


def revoke_key(engine: Engine, key_id: str, now: int, actor: str = CLI) -> None:
    """Make a key invalid, with its line in the audit log. Raises `UnknownIdError`."""
    with engine.begin() as connection:
        valid = (keys.c.key_id == key_id) & keys.c.revoked_at.is_(None)
        if not connection.execute(update(keys).where(valid).values(revoked_at=now)).rowcount:
            raise UnknownIdError(f"No valid key {key_id!r} is stored.")
        note(connection, now, actor, "revoke_key", {"key_id": key_id})


@dataclass(frozen=True)
class ValidKeys:
    """by_hash, ids: of valid keys · num_revoked: of the others, which only grows, so it tells the newer of two
    readings."""

    by_hash: dict[str, Key]
    ids: frozenset[str]
    num_revoked: int


def valid_keys(connection: Connection) -> ValidKeys:
    """The keys as they are now."""
    found = connection.execute(select(keys)).all()
    valid = {
        row.hash: Key(row.key_id, row.name, tuple(row.scopes.split()), row.created_at, None)
        for row in found
        if row.revoked_at is None
    }
    return ValidKeys(valid, frozenset(key.key_id for key in valid.values()), len(found) - len(valid))


def num_revoked(connection: Connection) -> int:
    """How many keys have been revoked so far."""
    return connection.execute(_NUM_REVOKED).scalar_one()
