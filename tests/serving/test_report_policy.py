"""Which decisions the report on versions is made of."""

from __future__ import annotations

from sqlalchemy import insert
from tests.kits.service_rows import decision

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
    assert ([row.event_id for row in found], left_out) == (["d199"], 20)
    assert ([row.event_id for row in whole], others) == (["d000", "d199"], 198)
