"""A world given by a table of rates."""

from __future__ import annotations

import numpy as np
import pytest

from genco.errors import ConfigError, DataError, UnknownIdError
from genco.protocols import Truth
from genco.simulator.tables import TableWorld
from genco.simulator.truth import truth_from_arrays

KEYS = np.array([[0, 0, 10], [0, 0, 11], [0, 1, 10], [0, 1, 11], [3, 0, -1]], dtype=np.int32)
RATES = np.array([0.1, 0.2, 0.3, 0.5, 0.0])
TABLE = TableWorld(KEYS, RATES)
POOLS = [np.array([0, 1], dtype=np.int32), np.array([10, 11], dtype=np.int32)]


def rows(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def test_looks_up_rates() -> None:
    shown = np.array([[1, 11], [0, 10]], dtype=np.int32)
    np.testing.assert_allclose(TABLE.click_probability(rows(0, 0), rows(0, 0), shown), [0.5, 0.1])
    assert TABLE.logit(rows(0), rows(0), shown[:1])[0] == pytest.approx(0.0)
    assert TABLE.click_probability(rows(3), rows(0), rows(0, -1)[None])[0] == pytest.approx(0.0, abs=1e-8)
    assert isinstance(TABLE, Truth)


def test_enumerates_with_nan_where_nothing_is_listed() -> None:
    np.testing.assert_allclose(1 / (1 + np.exp(-TABLE.enumerate_logits(0, 0, POOLS))), [[0.1, 0.2], [0.3, 0.5]])
    assert np.isnan(TABLE.enumerate_logits(3, 0, POOLS)).all()
    assert TABLE.slot_tables(0, 0, POOLS) is None


def test_shapley_by_hand() -> None:
    logit = np.log(RATES[:4] / (1 - RATES[:4])).reshape(2, 2)
    first = 0.5 * (logit[1].mean() - logit.mean()) + 0.5 * (logit[1, 1] - logit[:, 1].mean())
    values = TABLE.shapley(0, 0, rows(1, 11), POOLS)
    assert values[0] == pytest.approx(first)
    assert values.sum() == pytest.approx(logit[1, 1] - logit.mean())
    with pytest.raises(DataError, match=r"Found 4 of 4 unlisted for product row 3"):
        TABLE.shapley(3, 0, rows(0, 10), POOLS)


def test_round_trip() -> None:
    restored = truth_from_arrays(TABLE.to_arrays(), TABLE.truth_info())
    np.testing.assert_array_equal(restored.enumerate_logits(0, 0, POOLS), TABLE.enumerate_logits(0, 0, POOLS))
    assert (restored.context_name, restored.context_values) == (None, ("",))


def test_errors_name_rule_and_value() -> None:
    with pytest.raises(UnknownIdError, match=r"Found product row 3, element rows \[1, 10\] unlisted"):
        TABLE.logit(rows(3), rows(0), rows(1, 10)[None])
    with pytest.raises(UnknownIdError, match=r"element rows \[99, 10\]"):
        TABLE.logit(rows(0), rows(0), rows(99, 10)[None])
    with pytest.raises(DataError, match=r"must lie in \[0, 1\]. Found nan in row 1"):
        TableWorld(KEYS[:2], np.array([0.1, np.nan]))
    with pytest.raises(DataError, match=r"listed once"):
        TableWorld(KEYS[[0, 0]], RATES[:2])
    with pytest.raises(DataError, match=r"at least one combination"):
        TableWorld(KEYS[:0], RATES[:0])
    with pytest.raises(DataError, match=r"for 2 rates"):
        TableWorld(KEYS, RATES[:2])
    with pytest.raises(ConfigError, match=r"`content` must be False"):
        TABLE.content_logit(rows(0), rows(0), rows(0, 10)[None])
    with pytest.raises(DataError, match=r"must have array 'rates'"):
        truth_from_arrays({"keys": KEYS}, {"kind": "table"})
