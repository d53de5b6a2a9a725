"""Seeded choices that stay. Peers that draw through an eigenvector basis, free in its signs, are left out."""

import numpy as np
import pytest
from tests.kits.online_policy import aes_shaped

from genco.benchmarks.online.policies import PEERS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("epsilon_greedy", [5, 5, 5, 5, 5, 5]),
        ("combination_thompson", [69, 69, 69, 105, 69, 69]),
        ("ucb", [33, 33, 33, 33, 33, 33]),
        ("independent_greedy", [89, 89, 89, 1, 89, 89]),
        ("mvt", [165, 147, 125, 185, 47, 125]),
    ],
)
def test_golden_choices(name: str, expected: list[int]) -> None:
    """Clicks on odd arms whose colour is 1 or 5."""
    arms = aes_shaped()
    policy = PEERS[name](arms, 7)
    items = np.zeros(400, dtype=np.int32)
    for _ in range(3):
        shown = policy.choose(items)
        policy.update(items, shown, ((arms.elements[shown, 2] % 4 == 1) & (shown % 2 == 1)).astype(np.int64))
    assert policy.choose(items[:6]).tolist() == expected
