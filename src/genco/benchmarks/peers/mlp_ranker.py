"""Click model of the industry: one network on everything, element contents side by side, and a beam over combinations.

Covington, Adams and Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016 (section 4, the ranking
network): concatenated features, rectified layers, logistic loss. Large spaces are searched by a beam that completes a
prefix with each slot's mean element.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from genco.benchmarks.peers.offline import Floats, PeerData, Rows
from genco.benchmarks.peers.search import best_by_score
from genco.benchmarks.peers.torch_fit import AppealPart, fit_clicks
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace

HIDDEN = (128, 64)
EPOCHS = 6
LEARNING_RATE = 0.003


@dataclass(frozen=True)
class MLPRanker:
    """content: [element + 1, feature] · first: (weights by slot [slot, feature, unit], of the request [request feature,
    unit], bias [unit]) · later: (weights [unit, unit], bias [unit]) of each further layer, the last has one unit."""

    content: Floats
    products: Floats
    first: tuple[Floats, Floats, Floats]
    later: tuple[tuple[Floats, Floats], ...]

    def choose(self, product: int, context: Floats, space: LegalSpace) -> Rows:
        by_slot, of_request, bias = self.first
        asked = np.concatenate([self.products[product], context]) @ of_request + bias
        parts = [self.content[rows] @ by_slot[slot] for slot, rows in enumerate(space.candidates)]
        parts = [np.concatenate([part, part.mean(axis=0, keepdims=True)]) for part in parts]

        def score(positions: Rows) -> Floats:
            total = np.tile(asked, (len(positions), 1))
            for slot, part in enumerate(parts):
                total += part[positions[:, slot]]
            return self._later(total)

        return best_by_score(space, score)

    def scores(self, product: Rows, context: Floats, combination: Rows) -> Floats:
        by_slot, of_request, bias = self.first
        total = np.concatenate([self.products[product], context], axis=1) @ of_request + bias
        for slot, weights in enumerate(by_slot):
            total += self.content[combination[:, slot]] @ weights
        return self._later(total)

    def _later(self, values: Floats) -> Floats:
        """Score [row] of what the first layer sums up [row, unit]."""
        for weights, bias in self.later:
            values = np.maximum(values, 0) @ weights + bias
        return values[:, 0]


class _Network(nn.Module):
    def __init__(self, data: PeerData) -> None:
        super().__init__()
        self.content = torch.from_numpy(data.content)
        self.requests = torch.from_numpy(data.products), torch.from_numpy(data.log.contexts)
        num_features = data.products.shape[1] + data.log.contexts.shape[1]
        self.appeal = AppealPart(data.log, num_features, data.at_rates)
        widths = [data.log.combination.shape[1] * data.content.shape[1] + num_features, *HIDDEN, 1]
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        nn.init.zeros_(layers[-1].weight)
        self.linear = layers
        self.layers = nn.ModuleList(layers)

    def logit(self, product: Tensor, context: Tensor, combination: Tensor) -> Tensor:
        request = torch.cat([self.requests[0][product], self.requests[1][context]], dim=1)
        values = torch.cat([self.content[combination].flatten(1), request], dim=1)
        for layer in self.linear[:-1]:
            values = torch.relu(layer(values))
        found: Tensor = self.appeal(product, request) + self.linear[-1](values).squeeze(1)
        return found


def fit(data: PeerData, seed: int, epochs: int = EPOCHS, learning_rate: float = LEARNING_RATE) -> MLPRanker:
    """At most `epochs` of Adam: the best of them on the rows kept out."""
    torch.manual_seed(int(stream(seed, "peers", "weights").integers(2**31)))
    model = _Network(data)
    fit_clicks(model, model.logit, data.log, data.kept_out, seed, epochs, learning_rate)
    layers = [(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()) for layer in model.linear]
    slots, width = data.log.combination.shape[1], data.content.shape[1]
    (weights, bias), *later = layers
    by_slot, of_request = weights[: slots * width], weights[slots * width :]
    first = by_slot.reshape(slots, width, -1), of_request, bias
    return MLPRanker(data.content, data.products, first, tuple(later))
