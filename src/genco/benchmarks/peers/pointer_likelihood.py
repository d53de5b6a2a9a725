"""Pointer network that imitates rewarded combinations: what a generator learns without a reward model.

Zhang et al., "Cross-Element Combinatorial Selection for Multi-Element Creative in Display Advertising" (CECS),
arXiv:2307.01593, 2023: candidates are encoded with a view of the other candidates, a cascade of pointers chooses slot
by slot given what is chosen, trained by maximum likelihood (Vinyals, Fortunato and Jaitly, "Pointer Networks", NeurIPS
2015). Decoded greedily under masks. One departure: a candidate sees the other candidates through the mean of every
slot's pool, not one by one, so that the cost stays linear in candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genco.benchmarks.peers.offline import Floats, PeerData, Rows
from genco.data.catalogue import EMPTY
from genco.data.encoded_log import EncodedLog
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace

DIM = 64
EPOCHS = 6
LEARNING_RATE = 0.003
BATCH_ROWS = 512


@dataclass(frozen=True)
class PointerLikelihood:
    """A fitted network, and the catalogue it decodes."""

    network: _Pointer
    content: Floats
    products: Floats

    def choose(self, product: int, context: Floats, space: LegalSpace) -> Rows:
        with torch.no_grad():
            request = torch.from_numpy(np.concatenate([self.products[product], context]))[None, None]
            content = [torch.from_numpy(self.content[rows])[None] for rows in space.candidates]
            pools = self.network.encode(content, [torch.ones(1, len(rows)) for rows in space.candidates])
            state = self.network.start(request)
            prefix = np.zeros((1, 0), dtype=np.int32)
            for slot, keys in enumerate(pools):
                scores = self.network.point(slot, state, keys).numpy()[0, 0]
                best = int(np.where(space.mask(prefix)[0], scores, -np.inf).argmax())
                prefix = np.column_stack([prefix, [best]]).astype(np.int32)
                state = self.network.advance(slot, state, keys[:, [best]])
        return np.asarray(prefix[0])


class _Pointer(nn.Module):
    """Shapes: [pool, row, ...], a pool being one product's candidates and its rows the combinations shown of them."""

    def __init__(self, num_slots: int, width: int, num_request: int) -> None:
        super().__init__()
        self.embed = nn.ModuleList(nn.Linear(width, DIM) for _ in range(num_slots))
        self.summary = nn.ModuleList(nn.Linear(num_slots * DIM, DIM) for _ in range(num_slots))
        self.mix = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(num_slots))
        self.request = nn.Linear(num_request, DIM)
        self.cell = nn.ModuleList(nn.Linear(2 * DIM, DIM) for _ in range(num_slots))
        self.query = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(num_slots))
        self.own = nn.ModuleList(nn.Linear(DIM, 1) for _ in range(num_slots))

    def encode(self, content: list[Tensor], present: list[Tensor]) -> list[Tensor]:
        """Keys of every slot [pool, candidate, DIM]. content: per slot [pool, candidate, feature] · present: per slot
        [pool, candidate], 0 = padding."""
        first = [torch.relu(embed(x)) for embed, x in zip(self.embed, content, strict=True)]
        means = [
            (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True) for x, mask in zip(first, present, strict=True)
        ]
        others = torch.cat(means, dim=1)
        return [
            x + mix(torch.relu(x + summary(others)[:, None]))
            for x, mix, summary in zip(first, self.mix, self.summary, strict=True)
        ]

    def start(self, request: Tensor) -> Tensor:
        """State [pool, row, DIM] before the first slot. request: [pool, row, feature]."""
        return torch.tanh(self.request(request))

    def point(self, slot: int, state: Tensor, keys: Tensor) -> Tensor:
        """Logits [pool, row, candidate] of the slot's keys [pool, candidate, DIM]."""
        paired = self.query[slot](state) @ keys.transpose(1, 2)
        logits: Tensor = paired / DIM**0.5 + self.own[slot](keys).transpose(1, 2)
        return logits

    def advance(self, slot: int, state: Tensor, chosen: Tensor) -> Tensor:
        """State [pool, row, DIM] once the elements of keys `chosen` [pool, row, DIM] are put into the slot."""
        return state + torch.tanh(self.cell[slot](torch.cat([state, chosen], dim=2)))


@dataclass(frozen=True)
class _Examples:
    """Rewarded combinations by product. choice: [row, slot] places in the pools · pools: per slot [product, candidate]
    element rows, padded with -1 · row arrays are sorted by product."""

    product: Rows
    context: Rows
    choice: Rows
    reward: Floats
    pools: list[Rows]


def fit(data: PeerData, seed: int) -> PointerLikelihood:
    """Six epochs of Adam over the rewarded rows at most, as long as the likelihood of those kept out improves."""
    torch.manual_seed(int(stream(seed, "peers", "weights").integers(2**31)))
    num_slots, width = data.catalogue.num_slots, data.content.shape[1]
    network = _Pointer(num_slots, width, data.products.shape[1] + data.log.contexts.shape[1])
    pools = _pools(data)
    learned, kept_out = (_examples(log, pools) for log in (data.log, data.kept_out))
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    rng = stream(seed, "peers", "batches")
    best, kept = np.inf, network.state_dict()
    for _ in range(EPOCHS):
        for rows in _batches(learned, rng):
            loss = _loss(network, data, learned, rows)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        schedule.step()
        with torch.no_grad():
            every = list(_batches(kept_out, stream(seed, "peers", "kept out batches")))
            missed = float(np.mean([float(_loss(network, data, kept_out, rows)) for rows in every])) if every else 0.0
        if missed < best:
            best, kept = missed, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return PointerLikelihood(network.eval(), data.content, data.products)


def _pools(data: PeerData) -> list[Rows]:
    """Per slot [product, candidate] element rows, the empty one as number of elements, padded with -1."""
    catalogue, empty = data.catalogue, data.log.num_elements
    found = []
    for slot in range(catalogue.num_slots):
        pools = [catalogue.candidates(product, slot) for product in range(catalogue.num_products)]
        padded = np.full((len(pools), max(len(pool) for pool in pools)), -1, dtype=np.int32)
        for product, pool in enumerate(pools):
            padded[product, : len(pool)] = np.where(pool == EMPTY, empty, pool)
        found.append(padded)
    return found


def _examples(log: EncodedLog, pools: list[Rows]) -> _Examples:
    """The rewarded rows whose elements all stand in their product's pools."""
    log = log.take(log.reward > 0)
    log = log.take(np.argsort(log.product, kind="stable"))
    choice = np.empty(log.combination.shape, dtype=np.int32)
    inside = np.ones(len(log), dtype=bool)
    for slot, pool in enumerate(pools):
        for part in np.array_split(np.arange(len(log)), max(1, len(log) * pool.shape[1] // 10_000_000)):
            same = pool[log.product[part]] == log.combination[part, slot, None]
            inside[part] &= same.any(axis=1)
            choice[part, slot] = same.argmax(axis=1)
    log, choice = log.take(inside), choice[inside]
    return _Examples(log.product, log.group_context[log.group], choice, log.reward, pools)


def _batches(examples: _Examples, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Rows in batches, those of one product together, so that its pool is encoded once a batch."""
    order = rng.permutation(int(examples.product.max(initial=0)) + 1)[examples.product]
    shuffled = np.lexsort((rng.random(len(order)), order))
    batches = np.array_split(shuffled, max(1, len(shuffled) // BATCH_ROWS)) if len(shuffled) else []
    for number in rng.permutation(len(batches)):
        yield batches[number]


def _loss(network: _Pointer, data: PeerData, examples: _Examples, rows: NDArray[np.intp]) -> Tensor:
    """Mean negative log-likelihood of the combinations of `rows`, by rewards."""
    products, pool, counts = np.unique(examples.product[rows], return_inverse=True, return_counts=True)
    order = np.argsort(pool, kind="stable")
    rows, pool = rows[order], pool[order]
    place = pool, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = len(products), int(counts.max())
    reward = np.zeros(shape, dtype=np.float32)
    reward[place] = examples.reward[rows]
    choice = np.zeros((*shape, examples.choice.shape[1]), dtype=np.int64)
    choice[place] = examples.choice[rows]
    request = np.zeros((*shape, data.products.shape[1] + data.log.contexts.shape[1]), dtype=np.float32)
    request[place] = np.concatenate(
        [data.products[examples.product[rows]], data.log.contexts[examples.context[rows]]], axis=1
    )
    pools = [table[products] for table in examples.pools]
    masks = [torch.from_numpy((table >= 0).astype(np.float32)) for table in pools]
    keys = network.encode([torch.from_numpy(data.content[table]) for table in pools], masks)
    state, total = network.start(torch.from_numpy(request)), torch.zeros(shape)
    each = torch.arange(len(products))[:, None]
    for slot, slot_keys in enumerate(keys):
        logits = network.point(slot, state, slot_keys).masked_fill(masks[slot][:, None] == 0, -torch.inf)
        chosen = torch.from_numpy(choice[:, :, slot])
        total = total - torch.log_softmax(logits, dim=2).gather(2, chosen[:, :, None]).squeeze(2)
        state = network.advance(slot, state, slot_keys[each, chosen])
    weight = torch.from_numpy(reward)
    return (total * weight).sum() / weight.sum()
