"""How a peer that scores combinations, or slots, finds a legal one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from genco.runtime.legal_space import LegalSpace

Floats = NDArray[np.floating]
Positions = NDArray[np.int32]
MAX_SCORED = 4_096
BEAM_WIDTH = 16


def best_by_score(space: LegalSpace, score: Callable[[Positions], Floats], width: int = BEAM_WIDTH) -> Positions:
    """The legal combination [slot] of the highest score.

    All are scored up to `MAX_SCORED`. Beyond, a beam of `width` fills the slots in order; `score` completes a prefix by
    the slot's mean element, which it is given as the position `space.sizes[slot]`.
    """
    if space.size_bound <= MAX_SCORED:
        legal = space.enumerate(MAX_SCORED)
        return np.asarray(legal[int(score(legal).argmax())])
    mean = np.array(space.sizes, dtype=np.int32)
    prefix = np.zeros((1, 0), dtype=np.int32)
    for slot in range(space.num_slots):
        row, choice = np.nonzero(space.mask(prefix))
        prefix = np.column_stack([prefix[row], choice]).astype(np.int32)
        completed = np.column_stack([prefix, np.tile(mean[slot + 1 :], (len(prefix), 1))]).astype(np.int32)
        prefix = prefix[np.argsort(-score(completed), kind="stable")[:width]]
    return np.asarray(prefix[0])


def best_of_each_slot(space: LegalSpace, scores: Sequence[Floats]) -> Positions:
    """Slot by slot the best element that is still legal [slot]. scores: per slot [candidate]."""
    prefix = np.zeros((1, 0), dtype=np.int32)
    for values in scores:
        allowed = np.where(space.mask(prefix)[0], values, -np.inf)
        prefix = np.column_stack([prefix, [int(allowed.argmax())]]).astype(np.int32)
    return np.asarray(prefix[0])
