"""TEMPORARY: unconstrained."""
from __future__ import annotations
from dataclasses import dataclass
import numpy as np
class RuleBook:
    def __init__(self, catalogue): self.catalogue=catalogue
@dataclass(frozen=True)
class LegalSpace:
    candidates: tuple
    is_constrained: bool = False
    @property
    def size_bound(self): return int(np.prod([float(len(c)) for c in self.candidates]))
    def mask(self, prefix): return np.ones((len(prefix), len(self.candidates[prefix.shape[1]])), bool)
    def is_legal(self, p): return np.ones(len(p), bool)
    def count(self, limit): return self.size_bound if self.size_bound<=limit else None
    def enumerate(self, limit): return np.stack(np.meshgrid(*[np.arange(len(c)) for c in self.candidates],indexing='ij'),-1).reshape(-1,len(self.candidates)).astype(np.int32)
    def sample_uniform(self, rng, n): return np.stack([rng.integers(len(c),size=n) for c in self.candidates],1).astype(np.int32)
    def uniform_log_prob(self, p): return np.full(len(p), -sum(np.log(len(c)) for c in self.candidates))
    def neighbours(self, p, c): return np.ones((len(p), len(self.candidates[c])), bool)
def legal_space(catalogue, product, pinned={}, excluded=(), book=None):
    return LegalSpace(tuple(catalogue.candidates(product,s) for s in range(catalogue.num_slots)))
