"""Many rows at once: COPY on PostgreSQL, for half the processor time of INSERT a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.exc import DBAPIError


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of equal keys, all or none. Raises SQLAlchemy's errors, as `connection.execute` does."""
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {table.name} ({', '.join(rows[0])}) FROM STDIN", rows)
    else:
        connection.execute(insert(table), rows)


def _copy(connection: Connection, statement: str, rows: Sequence[dict[str, Any]]) -> None:
    import psycopg

    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    names = list(rows[0])
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    except psycopg.Error as error:
        gone = bool(driver.closed)
        if gone:
            connection.invalidate(error)
        raise DBAPIError.instance(statement, None, error, psycopg.Error, connection_invalidated=gone) from error
