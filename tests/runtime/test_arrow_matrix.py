import numpy as np
import pytest

from genco.runtime.arrow_matrix import arrow_inverse


@pytest.mark.parametrize("blocks", [[[1, 4], [0], [5, 2]], [[0, 1, 2, 3, 4, 5, 6]], [[]], []])
def test_it_is_the_dense_inverse(blocks: list[list[int]]) -> None:
    rows = [np.array(block, dtype=np.int64) for block in blocks]
    shared = np.setdiff1d(np.arange(7), np.concatenate([np.zeros(0, dtype=np.int64), *rows]))
    rng = np.random.default_rng(0)
    tied = np.zeros((7, 7), dtype=bool)
    tied[shared] = tied[:, shared] = True
    for block in rows:
        tied[np.ix_(block, block)] = True
    factor = rng.standard_normal((7, 7))
    matrix = np.where(tied, factor @ factor.T, 0.0) + 40 * np.eye(7)
    dense, found = np.linalg.inv(matrix), arrow_inverse(matrix, shared, rows)
    vector = rng.standard_normal(7)
    np.testing.assert_allclose(found.times(vector), dense @ vector)
    np.testing.assert_allclose(found.diagonal(), np.diagonal(dense))
    for block in range(len(rows)):
        used, inverse = found.around(block)
        np.testing.assert_allclose(inverse, dense[np.ix_(used, used)])
