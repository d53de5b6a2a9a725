"""Backups of both stores, restored into both; what is damaged or in the way is refused."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select
from tests.kits.command_line import assert_refused, genco, genco_json
from tests.kits.service_rows import decision, event
from tests.serving.conftest import fresh_database

from genco.errors import DataError
from genco.serving.backup import back_up, restore
from genco.serving.bulk_insert import insert_rows
from genco.serving.keys import add_key
from genco.serving.store import open_store, store_secret
from genco.serving.tables import audit, decisions, events, keys, metadata, models, promotions, settings


def filled(store: str, num: int = 7) -> Engine:
    engine = open_store(store)
    store_secret(engine)
    add_key(engine, "web", ("decide",), 5)
    with engine.begin() as connection:
        rows = [decision(f"d{i}", i, activated=i % 2 == 0) | {"context": '{"x":"绿"}'} for i in range(num)]
        insert_rows(connection, decisions, [row | {"propensity": 1 / (3 + i)} for i, row in enumerate(rows)])
        insert_rows(connection, events, [event(f"d{i}", i) for i in range(num)])
        connection.execute(insert(promotions), [{"at": i, "version": "v", "why": "start"} for i in range(3)])
        values = {"version": "v", "origin": "run", "path": "somewhere", "parent": None, "created_at": 1}
        connection.execute(insert(models).values(**values))
    return engine


def content(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            entry.name: sorted(map(tuple, connection.execute(select(entry)).all()), key=repr)
            for entry in metadata.sorted_tables
        }


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_what_is_restored_is_what_was_there(store_url: str, target: str, postgres: str, tmp_path: Path) -> None:
    engine = filled(store_url)
    done = back_up(engine, tmp_path / "backup.db")
    assert (done.rows["decisions"], done.rows["events"], done.model_folders) == (7, 7, ("somewhere",))
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup.db"]
    other = str(tmp_path / "other.db") if target == "sqlite" else fresh_database(postgres, f"other {store_url}")
    assert restore(tmp_path / "backup.db", other).rows == done.rows
    again = open_store(other)
    assert content(again) == content(engine)
    with again.begin() as connection:  # numbers go on
        connection.execute(insert(promotions).values(at=9, version="v", why="start"))
        connection.execute(insert(audit).values(at=9, key_id="k", act="a", detail="{}"))
        assert sorted(connection.execute(select(promotions.c.number)).scalars()) == [
            1,
            2,
            3,
            4,
        ]
    again.dispose()
    engine.dispose()


def test_a_backup_is_one_moment_while_rows_are_written(store_url: str, tmp_path: Path) -> None:
    """A decision and its event are committed together: a backup has both or neither."""
    engine, stop = filled(store_url), threading.Event()

    def write() -> None:
        number = 100
        while not stop.is_set():
            with engine.begin() as connection:
                insert_rows(connection, decisions, [decision(f"d{number}", number)])
                insert_rows(connection, events, [event(f"d{number}", number)])
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        rows = [back_up(engine, tmp_path / f"{i}.db").rows for i in range(5)]
    finally:
        stop.set()
        writer.join()
    assert all(found["decisions"] == found["events"] for found in rows)
    assert rows[-1]["decisions"] > rows[0]["decisions"]
    engine.dispose()


def test_refusals(tmp_path: Path) -> None:
    engine = filled(str(tmp_path / "store.db"))
    file = tmp_path / "backup.db"
    back_up(engine, file)
    with pytest.raises(DataError, match="does not exist yet"):
        back_up(engine, file)
    with pytest.raises(DataError, match="Found rows in table"):
        restore(file, str(tmp_path / "store.db"))
    with pytest.raises(DataError, match="no such file"):
        restore(tmp_path / "none.db", str(tmp_path / "new.db"))
    with pytest.raises(DataError, match="a backup is expected"):
        restore(tmp_path / "store.db", str(tmp_path / "new.db"))  # a store, not a backup
    damaged = tmp_path / "damaged.db"
    shutil.copyfile(file, damaged)
    with sqlite3.connect(damaged) as connection:
        connection.execute("UPDATE decisions SET propensity = 0.9 WHERE event_id = 'd3'")
    with pytest.raises(DataError, match=r"table decisions should be 7 rows with checksum .* Found 7 rows"):
        restore(damaged, str(tmp_path / "new.db"))
    assert not (tmp_path / "new.db").exists()
    engine.dispose()


def test_the_commands(tmp_path: Path) -> None:
    store, file = str(tmp_path / "store.db"), tmp_path / "backup.db"
    filled(store).dispose()
    assert genco_json("backup", "--store", store, "--out", file)["rows"]["decisions"] == 7
    assert_refused(genco("backup", "--store", store, "--out", file), "backup.db")
    text = genco("restore", file, "--store", tmp_path / "new.db").stdout
    assert "checksums agree" in text and "not found: somewhere" in text
    engine = open_store(str(tmp_path / "new.db"))
    with engine.connect() as connection:
        assert connection.execute(select(keys.c.name)).scalars().all() == ["web"]
        assert connection.execute(select(settings.c.name).where(settings.c.name == "secret")).scalar()
    engine.dispose()
