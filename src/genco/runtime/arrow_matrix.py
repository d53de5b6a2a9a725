"""The inverse of a symmetric matrix in arrow form: local blocks that meet only through shared rows.

    [ A   B_1  B_2 ... ]        W_k = C_k^-1 B_k'
    [ B_1' C_1         ]        (inverse)_shared = (A - sum over k of B_k W_k)^-1 = S
    [ B_2'     C_2     ]        (inverse)_shared,k = -S W_k'
    [ ...              ]        (inverse)_k = C_k^-1 + W_k S W_k'

Parts of the inverse that join two different local blocks are never worked out: nobody asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as linalg
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ArrowInverse:
    """shared: rows outside all blocks · blocks: rows of every local block · corner: S · arms: W of every block · local:
    C^-1 of every block. Built by `arrow_inverse`."""

    shared: Ints
    blocks: Sequence[Ints]
    corner: Floats
    arms: Sequence[Floats]
    local: Sequence[Floats]

    def times(self, vector: Floats) -> Floats:
        """The inverse times `vector` [row]."""
        result = np.empty_like(vector)
        pulled = sum(arm.T @ vector[rows] for rows, arm in zip(self.blocks, self.arms, strict=True))
        result[self.shared] = self.corner @ (vector[self.shared] - pulled)
        for rows, arm, local in zip(self.blocks, self.arms, self.local, strict=True):
            result[rows] = local @ vector[rows] - arm @ result[self.shared]
        return result

    def diagonal(self) -> Floats:
        """Diagonal [row] of the inverse."""
        result = np.empty(len(self.shared) + sum(map(len, self.blocks)))
        result[self.shared] = np.diagonal(self.corner)
        for rows, arm, local in zip(self.blocks, self.arms, self.local, strict=True):
            result[rows] = np.diagonal(local) + ((arm @ self.corner) * arm).sum(axis=1)
        return result

    def around(self, block: int) -> tuple[Ints, Floats]:
        """Shared rows and those of one block [row], and the inverse over them [row, row]."""
        arm = self.arms[block]
        beside = -self.corner @ arm.T
        inverse = np.block([[self.corner, beside], [beside.T, self.local[block] - arm @ beside]])
        return np.concatenate([self.shared, self.blocks[block]]), inverse


def arrow_inverse(matrix: Floats, shared: Ints, blocks: Sequence[Ints]) -> ArrowInverse:
    """Invert a positive definite `matrix` [row, row] whose entries between different `blocks` are zero."""
    corner = matrix[np.ix_(shared, shared)]
    arms, local = [], []
    for rows in blocks:
        local.append(_inverse(matrix[np.ix_(rows, rows)]))
        arms.append(local[-1] @ matrix[np.ix_(rows, shared)])
    if len(blocks):
        corner = corner - matrix[np.ix_(shared, np.concatenate(blocks))] @ np.concatenate(arms)
    return ArrowInverse(shared, blocks, _inverse(corner), arms, local)


def _inverse(matrix: Floats) -> Floats:
    factor = linalg.cho_factor(matrix, lower=True, check_finite=False)
    return np.asarray(linalg.cho_solve(factor, np.eye(len(matrix)), check_finite=False))
