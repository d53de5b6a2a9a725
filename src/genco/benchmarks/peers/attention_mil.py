"""Multi-instance click model without pairs: elements are instances, gated attention weighs them, the bag is clicked.

Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018, equations 8 and 9 (gated
attention). An instance sees the element's content, its slot, and the request; elements meet in the attention weights
and in what follows the weighted mean, never as pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from genco.benchmarks.peers.offline import Floats, PeerData, Rows
from genco.benchmarks.peers.search import best_by_score
from genco.benchmarks.peers.torch_fit import AppealPart, fit_clicks
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace

DIM, GATE, HEAD = 64, 32, 64
EPOCHS = 4
LEARNING_RATE = 0.008


@dataclass(frozen=True)
class AttentionMIL:
    """Arrays of `_Network`, by the name of the parameter."""

    content: Floats
    products: Floats
    arrays: dict[str, Floats]

    def choose(self, product: int, context: Floats, space: LegalSpace) -> Rows:
        request = np.concatenate([self.products[product], context])[None]
        instances, weights = [], []
        for slot, rows in enumerate(space.candidates):
            content = self.content[rows]
            content = np.concatenate([content, content.mean(axis=0, keepdims=True)])
            values, weight = self._instances(slot, content, np.repeat(request, len(content), axis=0))
            instances.append(values)
            weights.append(weight)

        def score(positions: Rows) -> Floats:
            chosen = [(values[positions[:, c]], weights[c][positions[:, c]]) for c, values in enumerate(instances)]
            return self._bag(chosen, np.repeat(request, len(positions), axis=0))

        return best_by_score(space, score)

    def scores(self, product: Rows, context: Floats, combination: Rows) -> Floats:
        request = np.concatenate([self.products[product], context], axis=1)
        slots = range(combination.shape[1])
        return self._bag([self._instances(c, self.content[combination[:, c]], request) for c in slots], request)

    def _instances(self, slot: int, content: Floats, request: Floats) -> tuple[Floats, Floats]:
        """Instances [row, DIM] and their unnormalised attention weights [row]; the empty element has weight 0."""
        a = self.arrays
        values = np.maximum(content @ a["by_slot"][slot] + request @ a["of_request"], 0)
        gate = np.tanh(values @ a["tanh"]) / (1 + np.exp(-(values @ a["sigmoid"])))
        return values, np.exp(gate @ a["attention"]) * content[:, -1]

    def _bag(self, chosen: list[tuple[Floats, Floats]], request: Floats) -> Floats:
        a = self.arrays
        total = sum(weight for _, weight in chosen) + 1e-6
        bag = sum(values * (weight / total)[:, None] for values, weight in chosen)
        hidden = np.maximum(np.concatenate([bag, request], axis=1) @ a["head"] + a["head_bias"], 0)
        return np.asarray(hidden @ a["out"], dtype=np.float32)


class _Network(nn.Module):
    def __init__(self, data: PeerData) -> None:
        super().__init__()
        slots, width = data.log.combination.shape[1], data.content.shape[1]
        self.content = torch.from_numpy(data.content)
        self.requests = torch.from_numpy(data.products), torch.from_numpy(data.log.contexts)
        num_features = data.products.shape[1] + data.log.contexts.shape[1]
        self.appeal = AppealPart(data.log, num_features, data.at_rates)
        self.by_slot = _weights(slots, width, DIM, fan_in=width)
        self.of_request = _weights(num_features, DIM, fan_in=num_features)
        self.tanh, self.sigmoid = _weights(DIM, GATE, fan_in=DIM), _weights(DIM, GATE, fan_in=DIM)
        self.attention = nn.Parameter(torch.zeros(GATE))
        self.head = _weights(DIM + num_features, HEAD, fan_in=DIM)
        self.head_bias, self.out = nn.Parameter(torch.zeros(HEAD)), nn.Parameter(torch.zeros(HEAD))

    def logit(self, product: Tensor, context: Tensor, combination: Tensor) -> Tensor:
        request = torch.cat([self.requests[0][product], self.requests[1][context]], dim=1)
        content = self.content[combination]
        asked = (request @ self.of_request)[:, None]
        values = torch.relu(torch.einsum("bcf,cfd->bcd", content, self.by_slot) + asked)
        gate = torch.tanh(values @ self.tanh) * torch.sigmoid(values @ self.sigmoid)
        weight = torch.exp(gate @ self.attention) * content[:, :, -1]
        weight = weight / (weight.sum(dim=1, keepdim=True) + 1e-6)
        bag = torch.einsum("bc,bcd->bd", weight, values)
        hidden = torch.relu(torch.cat([bag, request], dim=1) @ self.head + self.head_bias)
        found: Tensor = self.appeal(product, request) + hidden @ self.out
        return found


def _weights(*shape: int, fan_in: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * (2.0 / fan_in) ** 0.5)


def fit(data: PeerData, seed: int, epochs: int = EPOCHS, learning_rate: float = LEARNING_RATE) -> AttentionMIL:
    """At most `epochs` of Adam: the best of them on the rows kept out."""
    torch.manual_seed(int(stream(seed, "peers", "weights").integers(2**31)))
    model = _Network(data)
    fit_clicks(model, model.logit, data.log, data.kept_out, seed, epochs, learning_rate)
    arrays = {name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}
    return AttentionMIL(data.content, data.products, arrays)
