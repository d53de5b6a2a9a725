"""One server on SQLite and one PostgreSQL a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kits.real_postgres import RealPostgres
from tests.kits.running_service import KEY, RunningService, key_without

from genco.serving.keys import SCOPES, add_key
from genco.serving.store import open_store

if TYPE_CHECKING:
    from genco.storage.runs import RunFolder


@pytest.fixture(scope="session")
def service(pairs_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Online, on SQLite, with a reward window of ten minutes."""
    folder = tmp_path_factory.mktemp("service")
    store = open_store(str(folder / "store.db"))
    for key, scopes in {KEY: SCOPES, **{key_without(scope): tuple({*SCOPES} - {scope}) for scope in SCOPES}}.items():
        add_key(store, "test", scopes, 0, key)
    store.dispose()
    with RunningService(pairs_run.path, str(folder / "store.db"), folder) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL server."""
    server = RealPostgres()
    yield server.start()
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    return fresh_database(request.getfixturevalue("postgres"), request.node.name)


def fresh_database(server: str, name: str) -> str:
    """A new database on the server; its URL."""
    import hashlib

    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    database = "test_" + hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {database}"))
        connection.execute(text(f"CREATE DATABASE {database}"))
    engine.dispose()
    return url.set(drivername="postgresql", database=database).render_as_string(hide_password=False)
