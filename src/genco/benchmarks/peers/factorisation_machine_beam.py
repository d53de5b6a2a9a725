"""Factorisation machine on element ids, content, product and context, and a beam over its pairwise scores.

Rendle, "Factorization Machines", ICDM 2010, equation 1: bias, linear effects and an inner product for every pair of
features. Fitted by maximum likelihood of clicks; factors and effects of ids carry an L2 penalty. Because the model is
pairwise, a request's candidates have own and pair scores, and a beam searches the legal combinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genco.benchmarks.peers.offline import Floats, PeerData, Rows
from genco.benchmarks.peers.torch_fit import AppealPart, fit_clicks
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace
from genco.runtime.refine import AdditiveTables, beam

RANK = 32
INITIAL_SD = 0.02
WIDE_CONTENT = 65  # more features begin smaller, so that their sum over pairs does not begin as noise
EPOCHS = 4
LEARNING_RATE = 0.01
ID_PENALTY = 3.0
BEAM_WIDTH = 64


@dataclass(frozen=True)
class FactorisationMachine:
    """content: [element + 1, feature] · ids: [element + 1, rank + 1], the linear effect last · weights: [slot,
    feature, rank + 1] of content, the linear effect last · request: factors [request feature, rank]."""

    content: Floats
    products: Floats
    ids: Floats
    weights: Floats
    request: Floats

    def choose(self, product: int, context: Floats, space: LegalSpace) -> Rows:
        asked = np.concatenate([self.products[product], context]) @ self.request
        own, factors = [], []
        for slot, rows in enumerate(space.candidates):
            alone, field = self._slot(slot, rows)
            own.append(alone + field @ asked)
            factors.append(field)
        unit = np.eye(len(asked), dtype=np.float32)
        pairs = {pair: unit for pair in combinations(range(space.num_slots), 2)}
        return np.asarray(beam(AdditiveTables(tuple(own), tuple(factors), pairs), space, BEAM_WIDTH)[0])

    def scores(self, product: Rows, context: Floats, combination: Rows) -> Floats:
        total = np.concatenate([self.products[product], context], axis=1) @ self.request
        score = np.zeros(len(product), dtype=np.float32)
        for slot in range(combination.shape[1]):
            alone, field = self._slot(slot, combination[:, slot])
            score += alone + np.einsum("bk,bk->b", field, total)
            total = total + field
        return score

    def _slot(self, slot: int, rows: NDArray[np.integer]) -> tuple[Floats, Floats]:
        """What elements [row] add by themselves [row], and their factors [row, rank]. The last row is the empty one."""
        content, weights, ids = self.content[rows], self.weights[slot], self.ids[rows]
        both = content @ weights + ids
        squares = content**2 @ (weights[:, :-1] ** 2).sum(axis=1) + (ids[:, :-1] ** 2).sum(axis=1)
        field = both[:, :-1]
        return both[:, -1] + 0.5 * ((field**2).sum(axis=1) - squares), field


class _Machine(nn.Module):
    def __init__(self, data: PeerData, rank: int) -> None:
        super().__init__()
        slots, width = data.log.combination.shape[1], data.content.shape[1]
        self.content = torch.from_numpy(data.content)
        self.requests = torch.from_numpy(data.products), torch.from_numpy(data.log.contexts)
        num_features = data.products.shape[1] + data.log.contexts.shape[1]
        self.appeal = AppealPart(data.log, num_features, data.at_rates)
        self.ids = nn.Parameter(torch.zeros(len(data.content), rank + 1))
        self.weights = nn.Parameter(INITIAL_SD * torch.randn(slots, width, rank + 1) * min(1.0, WIDE_CONTENT / width))
        self.request = nn.Parameter(INITIAL_SD * torch.randn(num_features, rank))

    def logit(self, product: Tensor, context: Tensor, combination: Tensor) -> Tensor:
        request = torch.cat([self.requests[0][product], self.requests[1][context]], dim=1)
        content, ids = self.content[combination], self.ids[combination]
        both = torch.einsum("bcf,cfk->bck", content, self.weights) + ids
        total = both[:, :, :-1].sum(dim=1) + request @ self.request
        squares = torch.einsum("bcf,cf->b", content**2, (self.weights[:, :, :-1] ** 2).sum(dim=2))
        squares = squares + (ids[:, :, :-1] ** 2).sum(dim=(1, 2)) + request**2 @ (self.request**2).sum(dim=1)
        pairs = 0.5 * ((total**2).sum(dim=1) - squares)
        found: Tensor = self.appeal(product, request) + both[:, :, -1].sum(dim=1) + pairs
        return found

    def id_penalty(self, combination: Tensor) -> Tensor:
        """Mean over rows of the squared effects and factors of the ids shown."""
        return ID_PENALTY * (self.ids[combination] ** 2).sum(dim=(1, 2)).mean()


def fit(data: PeerData, seed: int, epochs: int = EPOCHS, learning_rate: float = LEARNING_RATE) -> FactorisationMachine:
    """At most `epochs` of Adam: the best of them on the rows kept out."""
    torch.manual_seed(int(stream(seed, "peers", "weights").integers(2**31)))
    model = _Machine(data, RANK)
    fit_clicks(model, model.logit, data.log, data.kept_out, seed, epochs, learning_rate, model.id_penalty)
    ids, weights, request = (p.detach().numpy().copy() for p in (model.ids, model.weights, model.request))
    return FactorisationMachine(data.content, data.products, ids, weights, request)
