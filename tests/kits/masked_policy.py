"""A policy with exact probabilities and no network: a softmax slot by slot, masked, that looks at the slot before."""

from __future__ import annotations

import numpy as np

from genco.runtime.legal_space import LegalSpace


class MaskedSoftmax:
    """logits of slot c given position i in slot c - 1: a fixed random table, illegal candidates left out."""

    def __init__(self, space: LegalSpace, seed: int) -> None:
        rng = np.random.default_rng(seed)
        before = (1, *space.sizes[:-1])
        self.space = space
        self._logits = [rng.normal(0, 1.5, (b, n)) for b, n in zip(before, space.sizes, strict=True)]

    def _log_policy(self, prefix: np.ndarray) -> np.ndarray:
        slot = prefix.shape[1]
        logits = self._logits[slot][prefix[:, -1] if slot else np.zeros(len(prefix), int)]
        logits = np.where(self.space.mask(prefix), logits, -np.inf)
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    def log_prob(self, positions: np.ndarray) -> np.ndarray:
        legal = self.space.is_legal(positions)
        total = np.where(legal, 0.0, -np.inf)
        kept = positions[legal]
        for slot in range(self.space.num_slots):
            total[legal] += self._log_policy(kept[:, :slot])[np.arange(len(kept)), kept[:, slot]]
        return total

    def sample(self, rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
        positions = np.zeros((num, 0), dtype=np.int32)
        for _ in range(self.space.num_slots):
            policy = self._log_policy(positions)
            choice = (policy + rng.gumbel(size=policy.shape)).argmax(axis=1)
            positions = np.column_stack([positions, choice]).astype(np.int32)
        return positions, self.log_prob(positions)
