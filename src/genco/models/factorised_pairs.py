"""Pair effects with a learned projection of content: what `training.pair_directions` fits to find the directions.

    logit = level of the product + sum_c [ z_c . w_c + s_c . (T u) ] + sum_{c<c'} s_c' B_cc' s_c',   s_c = z_c D

`D` [rank, pair_rank] and `T` belong to a kind of content, so what matters in one slot is there for all slots.
A factorisation machine with fields (Rendle, ICDM 2010; Juan et al., RecSys 2016), content in the place of identities.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genco.runtime.terms import TermLayout

PAIR_START = 0.01
OWN_PRECISION, LEVEL_PRECISION = 1_000.0, 0.25


class FactorisedPairs(nn.Module):
    """directions: by kind, [own_rank, pair_rank], of unit length a priori and begun at random; kinds whose pair
    effects read all latents, or none, have no directions. start: [product] levels to begin from · precision: of the
    prior of pair weights."""

    start: Tensor

    def __init__(self, layout: TermLayout, start: Tensor, precision: float) -> None:
        super().__init__()
        self.layout, self.precision = layout, precision
        shown = sorted(set(layout.slot_component))
        ranks = {str(layout.component_kind[c]): (layout.own_rank[c], layout.pair_rank[c]) for c in shown}
        wide = {kind: shape for kind, shape in ranks.items() if 0 < shape[1] < shape[0]}
        self.directions = nn.ParameterDict({kind: torch.randn(shape) / shape[0] ** 0.5 for kind, shape in wide.items()})
        self.taste = nn.ParameterDict({kind: torch.zeros(layout.num_context, r) for kind, (_, r) in ranks.items()})
        self.own = nn.ParameterDict({str(c): torch.zeros(layout.own_rank[c]) for c in shown})
        width = layout.pair_rank
        self.pairs = nn.ParameterDict(
            {f"{a}|{b}": PAIR_START * torch.randn(width[a], width[b]) for a, b in layout.component_pairs}
        )
        self.register_buffer("start", start)
        self.level = nn.Parameter(torch.zeros_like(start))

    def forward(self, latents: Tensor, product: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Logit without pair effects and pair effects, [batch] each.

        latents: [batch, slot, rank] · product: [batch] · context: [batch, num_context].
        """
        alone = self.start[product] + self.level[product]
        for slot, component in enumerate(self.layout.slot_component):
            alone = alone + latents[:, slot, : self.layout.own_rank[component]] @ self.own[str(component)]
        read = self.read(latents)
        for slot, values in enumerate(read):
            alone = alone + ((context @ self.taste[self._kind(slot)]) * values).sum(1)
        return alone, self.pair(read)

    def read(self, latents: Tensor) -> list[Tensor]:
        """What pair effects read of each slot, [batch, pair_rank]."""
        found = []
        for slot, component in enumerate(self.layout.slot_component):
            own, kind = latents[:, slot, : self.layout.own_rank[component]], self._kind(slot)
            learned = kind in self.directions
            found.append(own @ self.directions[kind] if learned else own[:, : self.layout.pair_rank[component]])
        return found

    def pair(self, read: list[Tensor]) -> Tensor:
        """Sum of the pair effects [batch]."""
        total = torch.zeros(len(read[0]))
        for slot in range(1, len(read)):
            pull = sum(read[earlier] @ self._matrix(earlier, slot) for earlier in range(slot))
            total = total + (pull * read[slot]).sum(1)
        return total

    def penalty(self) -> Tensor:
        """Minus the log prior density of the weights, up to a constant."""
        parts = (
            *((len(directions), [directions]) for directions in self.directions.values()),
            (self.precision, [*self.pairs.values()]),
            (OWN_PRECISION, [*self.own.values(), *self.taste.values()]),
            (LEVEL_PRECISION, [self.level]),
        )
        squares = [precision * (weights**2).sum() for precision, part in parts for weights in part]
        found: Tensor = 0.5 * torch.stack(squares).sum()
        return found

    def _kind(self, slot: int) -> str:
        return str(self.layout.component_kind[self.layout.slot_component[slot]])

    def _matrix(self, i: int, j: int) -> Tensor:
        a, b = self.layout.slot_component[i], self.layout.slot_component[j]
        matrix: Tensor = self.pairs[f"{min(a, b)}|{max(a, b)}"]
        return matrix if a <= b else matrix.T
