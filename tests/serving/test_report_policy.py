"""Which decisions the report on versions is made of."""

from __future__ import annotations

import pytest
from sqlalchemy import insert
from tests.kits.service_rows import decision

from genco.serving import report_policy
from genco.serving.joiner import CLICKS
from genco.serving.report_policy import recent_decisions
from genco.serving.store import open_store
from genco.serving.tables import decisions


def test_where_free_choices_are_rare_the_log_is_not_read_whole(store_url: str) -> None:
    """Of 200 decisions the first and the last are free; for two wanted, the 20 before the last are looked through."""
    engine = open_store(store_url)
    rows = [decision(f"d{i:03}", i, True) | {"narrowed": i not in (0, 199)} for i in range(200)]
    with engine.begin() as connection:
        connection.execute(insert(decisions), rows)
        found, left_out = recent_decisions(connection, 200, 2, CLICKS)
        whole, others = recent_decisions(connection, 200, 20, CLICKS)
    engine.dispose()
    assert ([row.event_id for row in found], left_out) == (["d199"], 19)
    assert ([row.event_id for row in whole], others) == (["d000", "d199"], 198)


@pytest.mark.parametrize("num", [1, 6, 7, 8, 20, 100])
def test_pages_make_no_difference(store_url: str, num: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three decisions at every instant, of which one is free, one is narrowed and one was not shown."""
    kinds = ({"narrowed": False}, {"narrowed": True}, {"narrowed": False, "activated": False})
    rows = [decision(f"d{i:02}{j}", i, True) | kind for i in range(20) for j, kind in enumerate(kinds)]
    engine, read = open_store(store_url), {}
    with engine.begin() as connection:
        connection.execute(insert(decisions), rows)
        for page in (3, 7, 10_000):
            monkeypatch.setattr(report_policy, "PAGE", page)
            found, left_out = recent_decisions(connection, 20, num, CLICKS)
            read[page] = [row.event_id for row in found], left_out
    engine.dispose()
    kept = min(num, 20)
    expected = [f"d{i:02}0" for i in range(20 - kept, 20)], kept
    assert read == dict.fromkeys((3, 7, 10_000), expected)
