from __future__ import annotations

import numpy as np

from genco.benchmarks.peers.search import best_by_score, best_of_each_slot
from genco.runtime.legal_space import LegalSpace
from genco.runtime.pairwise import Pairwise


def space(*sizes: int) -> LegalSpace:
    return LegalSpace(tuple(np.arange(n, dtype=np.int32) for n in sizes))


def forbidding(first: int, second: int, *sizes: int) -> LegalSpace:
    """Candidate `first` of slot 0 may not stand with `second` of slot 1."""
    compatible = np.ones(sizes[:2], dtype=bool)
    compatible[first, second] = False
    return LegalSpace(space(*sizes).candidates, Pairwise(sizes, {(0, 1): compatible}, {}))


def test_small_spaces_are_scored_whole_under_the_rules() -> None:
    value = np.array([[5.0, 1.0], [2.0, 3.0]])
    score = lambda positions: value[tuple(positions.T)]  # noqa: E731
    assert best_by_score(space(2, 2), score).tolist() == [0, 0]
    assert best_by_score(forbidding(0, 0, 2, 2), score).tolist() == [1, 1]


def test_a_beam_completes_prefixes_with_the_mean_element() -> None:
    """Additive scores over 100 x 100: the beam finds the maximum; the mean stands at position 100."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(2, 100))
    tables = np.concatenate([own, own.mean(axis=1, keepdims=True)], axis=1)
    asked = []

    def score(positions: np.ndarray) -> np.ndarray:
        asked.append(positions)
        return tables[0][positions[:, 0]] + tables[1][positions[:, 1]]

    assert best_by_score(space(100, 100), score, width=4).tolist() == own.argmax(axis=1).tolist()
    assert (asked[0][:, 1] == 100).all() and len(asked[1]) == 400


def test_each_slot_takes_its_best_among_what_is_still_legal() -> None:
    scores = [np.array([2.0, 1.0]), np.array([9.0, 3.0, 1.0])]
    assert best_of_each_slot(space(2, 3), scores).tolist() == [0, 0]
    assert best_of_each_slot(forbidding(0, 0, 2, 3), scores).tolist() == [0, 1]
