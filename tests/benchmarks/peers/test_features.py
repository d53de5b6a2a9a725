from tests.kits.online_policy import aes_shaped, small_items, table

from genco.benchmarks.peers.features import all_pairs, element_features, field_features, pair_features, tree_features


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
    assert pair_features(arms, [(0, 2)]).shape == (200, 8)
    assert len(all_pairs(arms)) == 6


def test_a_column_per_edge_of_the_tree() -> None:
    """AES: 2 backgrounds and 5 sizes from the root, 8 colours below a background, 40 fonts below a colour."""
    arms = aes_shaped()
    assert tree_features(arms).shape == (200, 2 + 5 + 8 + 40)
    assert (tree_features(arms).sum(axis=1) == 4).all()


def test_without_a_tree_the_chain() -> None:
    """2 elements, then the 2 x 3 and 3 x 2 pairs of neighbours."""
    assert tree_features(small_items()).shape == (18, 2 + 6 + 6)
