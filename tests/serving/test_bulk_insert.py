"""Many rows at once, the same on both stores."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.kits.service_rows import decision

from genco.serving.bulk_insert import insert_rows
from genco.serving.store import open_store
from genco.serving.tables import decisions


def test_rows_arrive_as_they_are(store_url: str) -> None:
    engine = open_store(store_url)
    rows = [
        decision("a", 2**60) | {"propensity": 1 / 3, "context": '{"x":"tab\\there","y":"绿\\\\n"}', "activated": True},
        decision("b", 1) | {"propensity": None, "product_id": "new\nline\\N", "reason": ""},
    ]
    with engine.begin() as connection:
        insert_rows(connection, decisions, rows)
    with engine.connect() as connection:
        found = connection.execute(select(decisions).order_by(decisions.c.event_id)).mappings().all()
    assert [{name: row[name] for name in rows[0]} for row in found] == rows
    engine.dispose()


def test_a_row_that_is_there_refuses_all(store_url: str) -> None:
    engine = open_store(store_url)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        insert_rows(connection, decisions, [decision("a", 1), decision("a", 2)])
    with engine.connect() as connection:
        assert connection.execute(select(decisions)).all() == []
    engine.dispose()


def test_a_connection_that_died_says_so(postgres: str) -> None:
    engine = open_store(postgres)
    connection = engine.connect()
    connection.connection.driver_connection.close()  # type: ignore[union-attr]
    with pytest.raises(DBAPIError) as caught:
        insert_rows(connection, decisions, [decision("a", 1)])
    assert caught.value.connection_invalidated
    connection.close()
    engine.dispose()
