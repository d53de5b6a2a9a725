from __future__ import annotations

import numpy as np
import pytest
from tests.kits.small_catalogues import catalogue_of

from genco.benchmarks.ridge import Packages
from genco.benchmarks.upworthy_peers import linear_scores, rows_in
from genco.data.catalogue import Slot


def test_linear_peers_recover_a_planted_weight_whatever_the_level_of_the_test() -> None:
    pytest.importorskip("vowpalwabbit")
    rng = np.random.default_rng(0)
    features, group = rng.normal(size=(400, 3)), np.repeat(np.arange(100), 4)
    rate = np.exp(rng.normal(-4, 0.5, 100)[group] + 0.3 * features[:, 0])
    learned = Packages(features, np.full(400, 1e6), 1e6 * rate, group)
    scores = linear_scores(learned, group % 4 == 0, learned)
    assert set(scores) == {"ridge", "vw"}
    for values, setting in scores.values():
        assert np.corrcoef(values, features[:, 0])[0, 1] > 0.99 and setting


def test_rows_of_one_catalogue_in_another() -> None:
    slots = (Slot("s", "a", required=False),)
    both = catalogue_of(slots, [("x", "p0", "a", "approved"), ("y", "p1", "a", "approved")])
    one = catalogue_of(slots, [("y", "p1", "a", "approved")])
    assert rows_in(both, one, np.array([[0], [-1]], dtype=np.int32)).tolist() == [[1], [-1]]
