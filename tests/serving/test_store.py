"""Both stores open, migrate to the schema of `tables`, and refuse what they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text
from tests.kits.service_rows import decision
from tests.serving.conftest import fresh_database

from genco.errors import ConfigError
from genco.serving import store as store_module
from genco.serving.control_store import changes_in_force
from genco.serving.errors import StoreUnavailableError
from genco.serving.governed import state_of
from genco.serving.store import MIGRATIONS, last_time, migrate, open_existing_store, open_store, store_secret
from genco.serving.tables import decisions, metadata


def test_migrations_give_the_schema_of_the_tables(store_url: str) -> None:
    engine = open_store(store_url)
    migrate(engine)  # a second time changes nothing
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_statuses_of_an_earlier_schema_become_changes(store_url: str) -> None:
    engine = open_store(store_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO element_status VALUES ('b', 'blocked', 2), ('a', 'pending', 1)"))
    migrate(engine)
    with engine.connect() as connection:
        assert state_of(changes_in_force(connection)).statuses == {"a": "pending", "b": "blocked"}
    engine.dispose()


def test_a_large_store_may_take_longer_to_migrate_than_a_request_waits(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions of the schema before stay, as those of which nobody knows whether the request narrowed the choice."""
    url = fresh_database(postgres, "slow")
    engine = open_store(url)
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision("a", 7)])
        connection.execute(text("DROP INDEX decisions_candidates"))
        connection.execute(text("ALTER TABLE decisions DROP COLUMN narrowed"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0008'"))
        slow = "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.2); END'"
        connection.execute(text(slow))
        connection.execute(text("CREATE EVENT TRIGGER slow ON ddl_command_start EXECUTE FUNCTION slow()"))
    engine.dispose()
    monkeypatch.setitem(store_module._POSTGRES, "options", "-c statement_timeout=1000")
    engine = open_store(url)
    with engine.begin() as connection:
        assert connection.execute(select(decisions.c.event_id, decisions.c.narrowed)).all() == [("a", None)]
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "1s"
    engine.dispose()


def test_the_secret_is_made_once_and_time_is_read_back(store_url: str) -> None:
    engine = open_store(store_url)
    assert store_secret(engine) == store_secret(engine)
    assert last_time(engine) == 0
    with engine.begin() as connection:
        connection.execute(insert(decisions), [decision("a", 7)])
    assert last_time(engine) == 7
    engine.dispose()


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_sqlite_is_in_wal_with_the_asked_durability(tmp_path: Path, durability: str, level: int) -> None:
    engine = open_store(str(tmp_path / "store.db"), durability)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == level
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "nonsense://"])
def test_other_stores_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="Parameter `store` should be"):
        open_store(url)


def test_a_store_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="unable to open database file"):
        open_store(str(tmp_path / "missing" / "store.db"))
    with pytest.raises(StoreUnavailableError, match="connection"):
        open_store("postgresql://nobody@127.0.0.1:1/none")


def test_a_command_that_reads_makes_no_store(tmp_path: Path) -> None:
    """A mistyped path is told, instead of an empty store and an empty backup."""
    for store in (str(tmp_path / "none.db"), f"sqlite:///{tmp_path / 'none.db'}"):
        with pytest.raises(StoreUnavailableError, match=r"Found no file '.*none\.db'"):
            open_existing_store(store)
    assert list(tmp_path.iterdir()) == []
    open_store(str(tmp_path / "some.db")).dispose()
    open_existing_store(str(tmp_path / "some.db")).dispose()
