"""Opening the store: SQLite (a file) or PostgreSQL (a URL), migrated to this version's schema."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, delete, event, func, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from genco.errors import ConfigError
from genco.serving.errors import StoreUnavailableError
from genco.serving.tables import decisions, events, settings

SCHEMA_HEAD = "0009"
MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MS = 5_000
_POSTGRES = {
    "connect_timeout": 2,
    "options": "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000",
    "tcp_user_timeout": 5_000,
}


def open_store(store: str, durability: str = "process") -> Engine:
    """The engine of a store, its schema up to date.

    store: path of a SQLite file, or a URL `sqlite:///...` or `postgresql://...`. Raises `ConfigError` for another URL,
    `StoreUnavailableError` where the store cannot be opened.
    """
    engine = _engine(store, durability)
    try:
        migrate(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreUnavailableError(f"The store {engine.url!r} cannot be opened: {_reason(error)}") from error
    return engine


def open_existing_store(store: str) -> Engine:
    """`open_store` for what reads: a mistyped path is an error and leaves no empty store behind.

    Raises `StoreUnavailableError` where the file of an SQLite store is missing.
    """
    url = _url(store)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
        raise StoreUnavailableError(f"A store that exists is expected. Found no file {url.database!r}.")
    return open_store(store)


def _url(store: str) -> URL:
    try:
        return make_url(store if "://" in store else f"sqlite:///{Path(store).absolute()}")
    except ArgumentError as error:
        raise ConfigError(f"Parameter `store` should be a path or a URL. Found {store!r}.") from error


def _engine(store: str, durability: str) -> Engine:
    url = _url(store)
    kind = url.get_backend_name()
    if kind == "postgresql":
        try:
            return create_engine(
                url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=4, connect_args=_POSTGRES
            )
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"PostgreSQL needs the extra `postgres`: pip install 'genco[postgres]'. {error}"
            ) from error
    if kind != "sqlite" or not url.database or url.database == ":memory:":
        raise ConfigError(f"Parameter `store` should be a SQLite file or a PostgreSQL URL. Found {url!r}.")
    engine = create_engine(url)
    synchronous = "FULL" if durability == "power" else "NORMAL"

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        for pragma in (f"busy_timeout={_BUSY_MS}", "journal_mode=WAL", f"synchronous={synchronous}"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema to this version. Alembic is imported only where there is something to do."""
    with engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if version == SCHEMA_HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        be_patient(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def be_patient(connection: Connection) -> None:
    """PostgreSQL: let the transaction under way take longer than what a request waits for, as it reads or changes whole
    tables."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def setting(connection: Connection, name: str) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()


def put_setting(connection: Connection, name: str, value: str) -> None:
    connection.execute(delete(settings).where(settings.c.name == name))
    connection.execute(insert(settings).values(name=name, value=value))


def store_secret(engine: Engine) -> bytes:
    """The store's secret, made when the store is first used: it signs event ids and hashes actors."""
    with engine.begin() as connection:
        found = setting(connection, "secret")
        if found is None:
            found = secrets.token_hex(32)
            connection.execute(insert(settings).values(name="secret", value=found))
    return bytes.fromhex(found)


def store_name(connection: Connection) -> str:
    """A name of the store, and of its backups, that tells nothing of the secret; "" before the first use."""
    secret = setting(connection, "secret")
    return "" if secret is None else hmac.digest(bytes.fromhex(secret), b"store", "sha256")[:8].hex()


def last_time(engine: Engine) -> int:
    """Latest time of the server's clock in the store; 0 for an empty one."""
    with engine.connect() as connection:
        decided = connection.execute(select(func.max(decisions.c.decided_at))).scalar()
        received = connection.execute(select(func.max(events.c.received_at))).scalar()
    return max(decided or 0, received or 0)


def _reason(error: SQLAlchemyError) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())
