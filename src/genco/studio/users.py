"""People who may sign in: a name, a role, a password stored as a salted scrypt hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select, update

from genco.errors import ConfigError, UnknownIdError
from genco.serving.tables import sessions, users

VIEWER, EDITOR, ADMIN = "viewer", "editor", "admin"
ROLES = (VIEWER, EDITOR, ADMIN)
SHORTEST_PASSWORD = 10
LONGEST_NAME = 40
_NAME = re.compile(rf"[\w.@-]{{1,{LONGEST_NAME}}}")
_COST = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024, "dklen": 32}


@dataclass(frozen=True)
class User:
    """role: viewers read, editors change what may be shown, admins change models too."""

    name: str
    role: str
    created_at: int

    def may(self, role: str) -> bool:
        """Whether the user's role includes `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


def add_user(connection: Connection, name: str, role: str, password: str, now: int) -> User:
    """Store a user. Raises `ConfigError` for a bad or taken name, an unknown role, a short password."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"A name should have 1 to 40 letters, digits or any of . _ - @. Found {name!r}.")
    _check_role(role)
    _check_password(password)
    if connection.execute(select(users.c.name).where(users.c.name == name)).one_or_none() is not None:
        raise ConfigError(f"There is a user {name!r} already.")
    connection.execute(insert(users).values(name=name, role=role, password=password_hash(password), created_at=now))
    return User(name, role, now)


def has_users(connection: Connection) -> bool:
    """Whether anybody may sign in."""
    return connection.execute(select(users.c.name).limit(1)).first() is not None


def admins(connection: Connection) -> list[str]:
    """Names of those who may let people in and out."""
    return list(connection.execute(select(users.c.name).where(users.c.role == ADMIN)).scalars())


def set_password(connection: Connection, name: str, password: str, created_at: int | None = None) -> None:
    """Replace a user's password and end their sessions. created_at: of the user who is meant, not of another one made
    under the same name since. Raises `ConfigError` for a short password, `UnknownIdError`."""
    _check_password(password)
    meant = users.c.name == name if created_at is None else (users.c.name == name) & (users.c.created_at == created_at)
    if not connection.execute(update(users).where(meant).values(password=password_hash(password))).rowcount:
        raise UnknownIdError(f"There is no user {name!r}.")
    connection.execute(delete(sessions).where(sessions.c.user_name == name))


def set_role(connection: Connection, name: str, role: str) -> None:
    """Give a user another role, at once. Raises `ConfigError` for an unknown role, `UnknownIdError`."""
    _check_role(role)
    if not connection.execute(update(users).where(users.c.name == name).values(role=role)).rowcount:
        raise UnknownIdError(f"There is no user {name!r}.")


def list_users(engine: Engine) -> list[User]:
    """All users, oldest first."""
    with engine.connect() as connection:
        found = connection.execute(select(users).order_by(users.c.created_at, users.c.name)).all()
    return [User(row.name, row.role, row.created_at) for row in found]


def remove_user(connection: Connection, name: str) -> None:
    """Forget a user and end their sessions. Raises `UnknownIdError`."""
    connection.execute(delete(sessions).where(sessions.c.user_name == name))
    if not connection.execute(delete(users).where(users.c.name == name)).rowcount:
        raise UnknownIdError(f"There is no user {name!r}.")


def user_with_password(engine: Engine, name: str, password: str) -> User | None:
    """The user if the password is theirs. A wrong name takes as long as a wrong password."""
    row = None
    if _NAME.fullmatch(name):  # PostgreSQL cannot even be asked for some others
        with engine.connect() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    fits = password_fits(password, _NOBODY if row is None else row.password)
    return User(row.name, row.role, row.created_at) if row is not None and fits else None


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise ConfigError(f"Parameter `role` should be one of {', '.join(ROLES)}. Found {role!r}.")


def _check_password(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigError(f"A password should have at least {SHORTEST_PASSWORD} characters. Found {len(password)}.")


def password_hash(password: str) -> str:
    """`salt:hash` in hexadecimal."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{_scrypt(password, salt).hex()}"


def password_fits(password: str, stored: str) -> bool:
    salt, _, digest = stored.partition(":")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)


_NOBODY = f"{'00' * 16}:{'00' * 32}"
