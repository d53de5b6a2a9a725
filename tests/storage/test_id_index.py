"""Id look-ups agree with a dictionary, whatever the ids."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genco.storage import id_index
from genco.storage.id_index import UNKNOWN, IdIndex


@given(ids=st.lists(st.text(max_size=6), unique=True, max_size=40), asked=st.lists(st.text(max_size=6), max_size=40))
def test_agrees_with_a_dictionary(ids: list[str], asked: list[str]) -> None:
    known = {name: row for row, name in enumerate(ids)}
    asked = asked + ids
    rows = IdIndex(pl.Series(ids, dtype=pl.String)).rows(pl.Series(asked, dtype=pl.String))
    assert rows.tolist() == [known.get(name, UNKNOWN) for name in asked]


@pytest.mark.parametrize("space", [1, 2])
def test_ids_that_lose_their_place_are_found(monkeypatch: pytest.MonkeyPatch, space: int) -> None:
    monkeypatch.setattr(id_index, "_TABLE_SPACE", space)
    ids = pl.Series([f"e{i}" for i in range(5000)])
    assert IdIndex(ids).rows(ids).tolist() == list(range(5000))
