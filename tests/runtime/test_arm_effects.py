import numpy as np

from genco.runtime.arm_effects import ArmEffects

ITEM = np.array([0, 0, 0, 1, 1], dtype=np.int32)
ELEMENTS = np.array([(0, 0), (0, 1), (1, 1), (0, 0), (1, 1)], dtype=np.int32)


def test_blocks_by_hand() -> None:
    """One level, two items, own 2 + 2, three pairs which are the combinations too, field value x element 4 + 3."""
    effects = ArmEffects(ITEM, ELEMENTS, np.array([[7], [9]], dtype=np.int32))
    sizes = {name: part.stop - part.start for name, part in effects.blocks.items()}
    assert sizes == {"level": 1, "item": 2, "own": 4, "pair": 3, "combination": 3, "group 0": 8}
    assert effects.num_weights == 21 and effects.columns.shape == (5, 1 + 1 + 2 + 1 + 1 + 2)
    assert (effects.columns[:, 0] == effects.columns[0][0]).all()  # one level
    np.testing.assert_array_equal(effects.columns[0][2:6], effects.columns[3][2:6])  # same combination, other item
    assert effects.columns[0][1] != effects.columns[3][1]
    dense = effects.design.toarray()
    assert (dense.sum(axis=1) == 8).all()
    np.testing.assert_array_equal(np.sort(np.flatnonzero(dense[4])), np.sort(effects.columns[4]))


def test_without_fields_the_items_are_the_groups() -> None:
    effects = ArmEffects(ITEM, ELEMENTS, np.zeros((2, 0), dtype=np.int32))
    assert list(effects.blocks)[-1] == "group 0" and effects.blocks["group 0"] == slice(
        effects.num_weights - 8, effects.num_weights
    )


def test_one_slot_has_no_pairs() -> None:
    effects = ArmEffects(ITEM[:2], ELEMENTS[:2, 1:], np.zeros((1, 0), dtype=np.int32))
    assert list(effects.blocks) == ["level", "item", "own", "combination", "group 0"]
