"""Backup and restore of a store: one SQLite file that holds every table, with counts and checksums, for both stores.

A backup of SQLite is made by its online backup, one of PostgreSQL in one repeatable-read transaction: both are the
state of one moment, while the server goes on. A restore goes into an empty store of either kind, so it also moves a
store from SQLite to PostgreSQL and back. What it wrote is read again and compared before it is committed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, column, create_engine, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from genco.errors import DataError
from genco.serving.bulk_insert import insert_rows
from genco.serving.store import be_patient, open_store
from genco.serving.tables import metadata, models
from genco.storage.new_file import new_file

SUMS = "backup_sums"
_BATCH = 5_000


@dataclass(frozen=True)
class TableSum:
    """What a table holds: its columns, its rows, and the sum of a 128-bit hash of every row, whatever their order."""

    columns: tuple[str, ...]
    num_rows: int
    checksum: str

    def __str__(self) -> str:
        return f"{self.num_rows:,} rows with checksum {self.checksum}"


@dataclass(frozen=True)
class Copied:
    """rows: by table · model_folders: of registered models, which are files and not in the backup."""

    rows: dict[str, int]
    model_folders: tuple[str, ...]


def back_up(engine: Engine, out: Path, overwrite: bool = False) -> Copied:
    """Write the store to the file `out`. Raises `DataError` where it exists."""
    with new_file(Path(out), overwrite) as part:
        if engine.dialect.name == "sqlite":
            _copy_file(engine, part)
        else:
            _copy_tables(engine, part)
        copy = open_store(str(part))
        with copy.begin() as connection:
            sums = _sums(connection, _columns())
            _seal(connection, sums)
            folders = _model_folders(connection)
        copy.dispose()
        _close_journal(part)
    return Copied({name: found.num_rows for name, found in sums.items()}, folders)


def restore(file: Path, store: str) -> Copied:
    """Read the backup `file` into an empty store, all or nothing; a backup of an earlier schema is brought up to date.

    store: path of a SQLite file, or a URL. Raises `DataError` where the file is no sound backup, the store is not
    empty, or what was written differs from what was read.
    """
    _verify(Path(file))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(file, Path(folder) / "backup.db")
        source, target = open_store(str(Path(folder) / "backup.db")), open_store(store)
        try:
            with source.connect() as old, target.begin() as new:
                be_patient(new)
                _refuse_rows(new, store)
                expected = _sums(old, _columns())
                _write(old, new)
                found = _sums(new, _columns())
                for name, want in expected.items():
                    if found[name] != want:
                        raise DataError(f"{store}: table {name} should be {want}. Found {found[name]}.")
                folders = _model_folders(new)
        finally:
            source.dispose()
            target.dispose()
    return Copied({name: want.num_rows for name, want in expected.items()}, folders)


def _copy_file(engine: Engine, out: Path) -> None:
    """SQLite's own copy of one moment; writers wait for nothing but the pages being read."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        target = sqlite3.connect(out)
        try:
            driver.backup(target)
        finally:
            target.close()


def _copy_tables(engine: Engine, out: Path) -> None:
    copy = open_store(str(out))
    old = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with old, old.begin(), copy.begin() as new:
        be_patient(old)
        _write(old, new)
    copy.dispose()


def _write(old: Connection, new: Connection) -> None:
    """Every row of every table, in constant memory; numbers given by the store go on after the largest."""
    for entry in metadata.sorted_tables:
        rows = old.execution_options(yield_per=_BATCH).execute(select(entry)).mappings()
        for part in rows.partitions():
            insert_rows(new, entry, [dict(row) for row in part])
        if new.dialect.name == "postgresql" and "number" in entry.c:
            sequence = f"pg_get_serial_sequence('{entry.name}', 'number')"
            new.execute(text(f"SELECT setval({sequence}, (SELECT max(number) FROM {entry.name}))"))


def _columns() -> dict[str, tuple[str, ...]]:
    """Columns of every table of this version."""
    return {entry.name: tuple(entry.c.keys()) for entry in metadata.sorted_tables}


def _sums(connection: Connection, columns: Mapping[str, Sequence[str]]) -> dict[str, TableSum]:
    return {name: _sum(connection, name, tuple(names)) for name, names in columns.items()}


def _sum(connection: Connection, name: str, columns: tuple[str, ...]) -> TableSum:
    query: Any = select(*(column(entry) for entry in columns)).select_from(table(name))
    total = num_rows = 0
    for row in connection.execution_options(yield_per=_BATCH).execute(query):
        values = [int(value) if isinstance(value, bool) else value for value in row]
        digest = hashlib.blake2b(json.dumps(values).encode(), digest_size=16).digest()
        total, num_rows = (total + int.from_bytes(digest, "big")) % 2**128, num_rows + 1
    return TableSum(columns, num_rows, f"{total:032x}")


def _seal(connection: Connection, sums: Mapping[str, TableSum]) -> None:
    """Keep counts and checksums in the backup itself."""
    connection.execute(text(f"DROP TABLE IF EXISTS {SUMS}"))
    connection.execute(
        text(f"CREATE TABLE {SUMS} (name TEXT PRIMARY KEY, columns TEXT, num_rows INTEGER, checksum TEXT)")
    )
    rows = [
        {"name": name, "columns": json.dumps(found.columns), "num_rows": found.num_rows, "checksum": found.checksum}
        for name, found in sums.items()
    ]
    connection.execute(text(f"INSERT INTO {SUMS} VALUES (:name, :columns, :num_rows, :checksum)"), rows)


def _verify(file: Path) -> None:
    """Raise `DataError` unless the file is a backup that holds what it says."""
    if not file.is_file():
        raise DataError(f"{file}: a backup is expected. Found no such file.")
    engine = create_engine(f"sqlite:///file:{file.absolute()}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            for row in connection.execute(text(f"SELECT * FROM {SUMS}")).all():
                want = TableSum(tuple(json.loads(row.columns)), row.num_rows, row.checksum)
                found = _sum(connection, row.name, want.columns)
                if found != want:
                    raise DataError(f"{file}: table {row.name} should be {want}. Found {found}.")
    except SQLAlchemyError as error:
        raise DataError(f"{file}: a backup is expected. {getattr(error, 'orig', error)}") from error
    finally:
        engine.dispose()


def _refuse_rows(connection: Connection, store: str) -> None:
    for entry in metadata.sorted_tables:
        if connection.execute(select(entry).limit(1)).first() is not None:
            raise DataError(f"{store}: an empty store is expected. Found rows in table {entry.name}.")


def _model_folders(connection: Connection) -> tuple[str, ...]:
    return tuple(connection.execute(select(models.c.path).order_by(models.c.path)).scalars())


def _close_journal(file: Path) -> None:
    """Leave one file, without the companions of write-ahead logging."""
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    finally:
        connection.close()
