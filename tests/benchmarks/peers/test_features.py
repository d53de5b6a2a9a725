import pytest
from tests.kits.online_policy import aes_shaped, small_items, table

from genco.benchmarks.peers.features import (
    AES_PARENTS,
    all_pairs,
    default_parents,
    element_features,
    field_features,
    pair_features,
    tree_edges,
)
from genco.errors import ConfigError


def test_elements_and_pairs_by_hand() -> None:
    arms = table([[(0, 0), (1, 1), (1, 2)]])
    assert element_features(arms).tolist() == [[1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 1, 0, 0, 1]]
    assert pair_features(arms, [(0, 1)]).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert pair_features(arms, []).shape == (3, 0)


def test_fields_are_those_of_the_item() -> None:
    arms = table([[(0,), (1,)], [(0,)]], [[4], [7]])
    assert field_features(arms).tolist() == [[1, 0], [1, 0], [0, 1]]
    assert field_features(aes_shaped()).shape == (200, 0)


def test_only_pairs_that_occur_get_a_column() -> None:
    """The AES tables: 8 of 16 pairs of background and colour are legal."""
    arms = aes_shaped()
    assert pair_features(arms, [(1, 3)]).shape == (200, 8)
    assert pair_features(arms, tree_edges(arms, None)).shape == (200, 2 + 5 + 8 + 40)
    assert len(all_pairs(arms)) == 10


def test_default_tree() -> None:
    assert default_parents(aes_shaped()) == AES_PARENTS
    assert tree_edges(small_items(), None) == ((0, 1), (1, 2))
    assert tree_edges(small_items(), (-1, 0, 0)) == ((0, 1), (0, 2))


@pytest.mark.parametrize("parents", [(-1, 0), (-1, 1, 0), (-1, -1, 0), (0, 0, 0)])
def test_refuses_what_is_no_tree(parents: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="name an earlier slot"):
        tree_edges(small_items(), parents)
