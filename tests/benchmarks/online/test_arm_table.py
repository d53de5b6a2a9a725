import numpy as np
import pytest
from tests.kits.online_policy import small_items, table

from genco.errors import DataError


def test_items_and_elements_are_counted() -> None:
    arms = small_items()
    assert (arms.num_arms, arms.num_items, arms.num_slots) == (18, 3, 3)
    assert arms.num_elements == (2, 3, 2)
    assert arms.first.tolist() == [0, 12, 17, 18]
    assert np.diff(arms.first).sum() == arms.num_arms


@pytest.mark.parametrize("parents", [(-1, 1), (-2, 0), (-1,), (0, 0)])
def test_refuses_what_is_no_tree(parents: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="name an earlier slot, or -1, for each of 2 slots"):
        table([[(0, 0), (1, 1)]], parents=parents)
