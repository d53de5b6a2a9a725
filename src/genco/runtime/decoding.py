"""Decoding of one request, torch-free: greedy, beam, samples with and without replacement, exact log-probabilities.

Samples without replacement are stochastic beam search (Kool, van Hoof & Welling 2019): one pass over the slots draws
K distinct combinations from the exact policy; if fewer than K are legal, all of them come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.runtime.legal_space import LegalSpace
from genco.runtime.product_encoding import SHORTLIST, GeneratorWeights, ProductEncoding

Floats = NDArray[np.float32]
Positions = NDArray[np.int32]
BLOCKS = 3  # for each value wanted
SMALLEST_ARRIVAL = 2.0**-24  # single precision draws exponentials on a grid about as fine, zero included


@dataclass
class _Prefixes:
    """K partly filled combinations. pull[c]: [K, pair_rank] what the chosen elements ask of slot c."""

    positions: Positions
    pull: list[Floats | None]
    state: Floats

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, rows: NDArray[np.integer]) -> _Prefixes:
        return _Prefixes(
            self.positions[rows], [None if pull is None else pull[rows] for pull in self.pull], self.state[rows]
        )


class RequestPolicy:
    """The generative policy for one request: product encoding, context [num_context] and legal space."""

    def __init__(
        self, encoding: ProductEncoding, network: GeneratorWeights, context: Floats, space: LegalSpace | None = None
    ) -> None:
        self.encoding, self.network = encoding, network
        self.space = encoding.space if space is None else space
        self.num_slots = len(encoding.own)
        self._own = [
            own + latents @ ((context @ query) / encoding.scale)
            for own, latents, query in zip(encoding.own, encoding.latents, encoding.context_query, strict=True)
        ]
        arrays = network.arrays
        self._start = encoding.summary + context @ arrays["context.weight"].T + arrays["context.bias"]
        self._bilinear = {pair: weights / encoding.scale for pair, weights in encoding.bilinear.items()}

    def _begin(self, num: int = 1) -> _Prefixes:
        return _Prefixes(
            np.zeros((num, 0), dtype=np.int32), [None] * self.num_slots, np.repeat(self._start[None], num, axis=0)
        )

    def _log_policy(self, prefixes: _Prefixes) -> Floats:
        """Log-probabilities [K, candidate] of the next slot; illegal candidates are -inf."""
        slot = prefixes.positions.shape[1]
        encoding, arrays = self.encoding, self.network.arrays
        query = np.maximum(
            prefixes.state @ arrays["query.weight"].T + (arrays["query.bias"] + arrays["state_slot"][slot]), 0.0
        )
        query = query @ arrays["query_out.weight"].T + arrays["query_out.bias"]
        logits = query @ encoding.keys[slot].T + encoding.bias[slot]
        if self.network.credit:
            if self.network.autoregressive:
                credit = self._credit(prefixes, slot)
                logits += credit
                if slot + 1 < self.num_slots:
                    logits += float(arrays["foresight"][slot]) * self._foresight(prefixes, slot, credit)
            else:
                logits += self._own[slot]
        logits /= np.float32(self.network.temperature)
        if self.space.is_constrained:
            logits[~self.space.mask(prefixes.positions)] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return np.asarray(logits, dtype=np.float32)

    def _credit(self, prefixes: _Prefixes, slot: int) -> Floats:
        pull = prefixes.pull[slot]
        if pull is None:
            return np.repeat(self._own[slot][None], len(prefixes), axis=0)
        return pull @ self.encoding.factors[slot].T + self._own[slot]

    def _foresight(self, prefixes: _Prefixes, slot: int, credit: Floats) -> Floats:
        """Value of completing candidates greedily over landmarks [K, candidate].

        After the first slot only the candidates of largest credit are completed; the others get the row's smallest
        value.
        """
        num = credit.shape[1]
        if slot == 0 or num <= SHORTLIST:
            return self._complete(prefixes, slot, None)
        short = _positions_of_largest(credit, SHORTLIST)
        values = self._complete(prefixes, slot, short)
        ahead = np.repeat(values.min(axis=1, keepdims=True), num, axis=1)
        np.put_along_axis(ahead, short, values, axis=1)
        return ahead

    def _complete(self, prefixes: _Prefixes, slot: int, short: NDArray[np.integer] | None) -> Floats:
        encoding = self.encoding
        total: Floats | None = None
        done: list[tuple[int, NDArray[np.integer]]] = []
        for later in range(slot + 1, self.num_slots):
            landmarks = encoding.landmarks[later]
            base = self._own[later][landmarks][None]
            pull = prefixes.pull[later]
            if pull is not None:
                base = base + pull @ encoding.factors[later][landmarks].T
            pairs = encoding.ahead.get((slot, later))
            if pairs is None:
                value = np.repeat(
                    base[:, None, :], len(encoding.own[slot]) if short is None else short.shape[1], axis=1
                )
            else:
                value = base[:, None, :] + (pairs[None] if short is None else pairs.take(short, axis=0))
            for other, choice in done:
                if (other, later) in encoding.between:
                    value += encoding.between[other, later].take(choice, axis=0)
            choice = value.argmax(axis=2)
            first = np.arange(0, value.size, value.shape[2]).reshape(choice.shape)
            best = value.ravel().take(first + choice)
            total = best if total is None else total + best
            done.append((later, choice))
        assert total is not None
        return total

    def _extend(self, prefixes: _Prefixes, choice: NDArray[np.integer]) -> _Prefixes:
        """Fill the next slot of every prefix with `choice` [K]."""
        slot = prefixes.positions.shape[1]
        encoding = self.encoding
        pull = list(prefixes.pull)
        chosen = encoding.factors[slot][choice]
        for later in range(slot + 1, self.num_slots):
            weights = self._bilinear.get((slot, later))
            if weights is not None:
                asked = chosen @ weights
                before = pull[later]
                pull[later] = asked if before is None else before + asked
        state = prefixes.state
        if self.network.autoregressive and slot + 1 < self.num_slots:
            state = state + encoding.chosen[slot][choice]
        positions = np.concatenate([prefixes.positions, choice[:, None].astype(np.int32)], axis=1)
        return _Prefixes(positions, pull, state)

    def greedy(self) -> Positions:
        """The combination of the most likely element slot by slot [slot]."""
        positions, _ = self.beam(1)
        return np.asarray(positions[0], dtype=np.int32)

    def beam(self, width: int) -> tuple[Positions, Floats]:
        """Top combinations by beam search [num, slot] and their log-probabilities, best first, num <= width."""
        prefixes, log_prob = self._begin(), np.zeros(1, dtype=np.float32)
        for _ in range(self.num_slots):
            score = log_prob[:, None] + self._log_policy(prefixes)
            best = _largest(score.ravel(), width)
            rows, choice = np.divmod(best, score.shape[1])
            log_prob = score.ravel()[best]
            prefixes = self._extend(prefixes.take(rows), choice)
        return prefixes.positions, log_prob

    def propose(self, num: int, rng: np.random.Generator) -> tuple[Positions, Floats]:
        """`num` distinct legal combinations in one pass, the greedy one first, the others drawn without replacement.

        Returns min(num, number legal) positions [num, slot] and their log-probabilities.
        """
        prefixes = self._begin()  # the last row is the greedy one, at first the only one
        log_prob, perturbed = np.zeros(1, dtype=np.float32), np.zeros(1)
        greedy_log_prob = 0.0
        for _ in range(self.num_slots):
            policy = self._log_policy(prefixes)
            top = int(policy[-1].argmax())
            greedy_log_prob += float(policy[-1, top])
            score = log_prob[:, None] + policy[: len(log_prob)]
            rows, choice, perturbed = _draw_distinct(score, perturbed, num, rng)
            log_prob = score[rows, choice]
            kept = prefixes.take(np.concatenate([rows, [len(prefixes) - 1]]))
            prefixes = self._extend(kept, np.concatenate([choice, [top]]))
        greedy, drawn = prefixes.positions[-1:], prefixes.positions[:-1]
        keep = np.flatnonzero((drawn != greedy).any(axis=1))[: num - 1] if num > 1 else np.zeros(0, dtype=np.int64)
        return (
            np.concatenate([greedy, drawn[keep]]),
            np.append(np.float32(greedy_log_prob), log_prob[keep]).astype(np.float32),
        )

    def sample(self, rng: np.random.Generator, num: int) -> tuple[Positions, Floats]:
        """`num` independent draws [num, slot] and their log-probabilities."""
        prefixes, log_prob = self._begin(num), np.zeros(num, dtype=np.float32)
        for slot in range(self.num_slots):
            policy = self._log_policy(prefixes if slot else prefixes.take(np.zeros(1, dtype=np.int64)))
            noise = rng.gumbel(size=(num, policy.shape[1]))
            choice = (policy + noise).argmax(axis=1)
            log_prob = log_prob + (policy[np.arange(num), choice] if slot else policy[0, choice])
            prefixes = self._extend(prefixes, choice)
        return prefixes.positions, log_prob

    def log_prob(self, positions: Positions, chunk: int = 512) -> Floats:
        """Exact log pi of combinations [batch, slot]; -inf for illegal ones. Shared prefixes are evaluated once."""
        if len(positions) > chunk and self.num_slots > 1:
            return np.concatenate(
                [self.log_prob(positions[i : i + chunk], chunk) for i in range(0, len(positions), chunk)]
            )
        total = np.full(len(positions), -np.inf, dtype=np.float32)
        legal = self.space.is_legal(positions)
        if legal.any():
            total[legal] = self._log_prob_of_legal(positions[legal])
        return total

    def _log_prob_of_legal(self, positions: Positions) -> Floats:
        total = np.zeros(len(positions), dtype=np.float32)
        prefixes, row = self._begin(), np.zeros(len(positions), dtype=np.int64)
        for slot in range(self.num_slots):
            policy = self._log_policy(prefixes)
            total += policy[row, positions[:, slot]]
            if slot + 1 < self.num_slots:
                num = policy.shape[1]
                keys, row = np.unique(row * num + positions[:, slot], return_inverse=True)
                before, choice = np.divmod(keys, num)
                prefixes = self._extend(prefixes.take(before), choice)
        return total


def _largest(values: NDArray[np.floating], num: int) -> NDArray[np.int64]:
    """Indices of the `num` largest finite values, largest first."""
    chosen = np.argpartition(-values, num - 1)[:num] if num < len(values) else np.arange(len(values))
    chosen = chosen[np.argsort(-values[chosen], kind="stable")]
    return np.asarray(chosen[np.isfinite(values[chosen])])


def _positions_of_largest(values: Floats, num: int) -> NDArray[np.integer]:
    """Positions [K, num] of the `num` largest of each row [K, n], in no order; any of equal ones."""
    size = values.shape[1]
    least = np.partition(values, size - num, axis=1)[:, size - num]
    found = np.flatnonzero(values >= least[:, None])
    if len(found) == len(values) * num:
        return np.asarray(found.reshape(-1, num) % size)
    return np.asarray(values.argpartition(size - num, axis=1)[:, size - num :])


def _at_most_largest(values: Floats, num: int) -> Floats:
    """Of each row [K, n] a number at least `num` values reach: the `num`-th largest of blocks' maxima; -inf if n <= num

    Several times as fast as the `num`-th largest value itself, which it is near to.
    """
    num_rows, size = values.shape
    if size <= num:
        return np.full(num_rows, -np.inf, dtype=np.float32)
    blocks = min(BLOCKS * num, size)
    largest = np.maximum.reduceat(values, np.arange(blocks) * size // blocks, axis=1)
    return np.asarray(np.partition(largest, blocks - num, axis=1)[:, blocks - num])


def _draw_distinct(
    score: Floats, target: NDArray[np.floating], num: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Row, candidate and perturbed score of the `num` largest perturbed `score` [K, candidate], largest first.

    Perturbed by Gumbel noise whose row maxima equal `target` [K] (Kool et al. 2019, appendix B.3). What makes them
    equal keeps the order within a row, so only those that may be among the `num` largest of a row are worked out.
    """
    arrival = rng.standard_exponential(score.shape, dtype=np.float32)
    noisy = score - np.log(np.maximum(arrival, SMALLEST_ARRIVAL))
    size = noisy.shape[1]
    short = np.flatnonzero((noisy >= _at_most_largest(noisy, num)[:, None]) & (noisy > -np.inf))
    row = short // size
    value = noisy.ravel()[short].astype(np.float64)
    with np.errstate(divide="ignore"):
        shift = target[row] - value + np.log1p(-np.exp(value - noisy.max(axis=1)[row]))
        result = target[row] - np.maximum(shift, 0.0) - np.log1p(np.exp(-np.abs(shift)))
    best = _largest(result, num)
    return row[best], short[best] % size, result[best]
