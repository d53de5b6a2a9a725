"""VowpalWabbit's `--slates`: the real library, from PyPI, on the same log.

Swaminathan et al., "Off-policy Evaluation for Slate Recommendation", NeurIPS 2017 (additive reward over slots). An
action shows its content, each slot in a namespace of its own, crossed with the context; the cost is -1 for a reward.
Ids of elements, tried too, made it worse. Slot probabilities of the logged policy are taken from the log: how often the
product showed the element there.

It reads text, so it learns from `MAX_ROWS` impressions: every rewarded one and a uniform sample of the others, which
multiplies the odds of a reward by one factor for all combinations alike and therefore changes no best choice. Its
importance-weighted regression (`mtr`, the default) learns from the action shown alone, so examples for training name
that one in each slot; those for prediction name every candidate.
"""

from __future__ import annotations

import string
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vowpalwabbit import Workspace

from genco.benchmarks.peers.offline import Floats, PeerData, Rows
from genco.benchmarks.peers.search import best_of_each_slot
from genco.data.encoded_log import EncodedLog
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace

MAX_ROWS = 200_000
PASSES = 1
LEARNING_RATE = 0.005
SOFTNESS = 100.0


@dataclass(frozen=True)
class VWSlates:
    """A trained workspace. `--softmax` instead of `--epsilon` changes no training on logged data; its probabilities
    keep the order of the scores, which rules need."""

    workspace: Any
    lines: _Lines
    products: Floats

    def choose(self, product: int, context: Floats, space: LegalSpace) -> Rows:
        example = [f"slates shared {self.lines.shared(context)}"]
        for slot, rows in enumerate(space.candidates):
            example += [f"slates action {slot} {self.lines.action(slot, int(row))}" for row in rows]
        example += ["slates slot |"] * space.num_slots
        scores = []
        for slot, ranked in enumerate(self.workspace.predict(example)):
            of_slot = np.zeros(space.sizes[slot])
            of_slot[[action for action, _ in ranked]] = [share for _, share in ranked]
            scores.append(of_slot)
        return best_of_each_slot(space, scores)


@dataclass(frozen=True)
class _Lines:
    """Text of requests and actions. content: [element + 1, feature]."""

    content: Floats

    def shared(self, context: Floats) -> str:
        known = " ".join(f"c{i}:{value:.4g}" for i, value in enumerate(context) if value)
        return f"|U {known}" if known else "|U one"

    def action(self, slot: int, row: int) -> str:
        named = " ".join(f"x{i}:{value:.4g}" for i, value in enumerate(self.content[row]) if value)
        return f"|{namespace(slot)} {named}"


def namespace(slot: int) -> str:
    """One letter for each slot; `U` is the request's."""
    return string.ascii_letters.replace("U", "")[slot]


def fit(data: PeerData, seed: int) -> VWSlates:
    """One pass over the examples."""
    num_slots = data.catalogue.num_slots
    crossed = " ".join(f"-q U{namespace(slot)}" for slot in range(num_slots))
    options = f"--slates {crossed} --softmax --lambda {SOFTNESS} -b 22 -l {LEARNING_RATE} --random_seed {seed} --quiet"
    lines, log = _Lines(data.content), sampled(data.log, stream(seed, "peers", "vowpal wabbit"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "examples.txt"
        with file.open("w", encoding="ascii") as written:
            written.writelines(_examples(log, slot_shares(data.log, log), lines))
        workspace = Workspace(f"{options} -d {file} --passes {PASSES} --holdout_off --cache_file {file}.cache")
        # A workspace that read a file is finished: its weights go on in one that answers.
        workspace.save(f"{file}.model")
        workspace.finish()
        answering = Workspace(f"--quiet -i {file}.model -t")
    return VWSlates(answering, lines, data.products)


def sampled(log: EncodedLog, rng: np.random.Generator) -> EncodedLog:
    """Every rewarded row (or `MAX_ROWS` of them) and as many others as fit, in random order."""
    rewarded, others = (rng.permutation(np.flatnonzero(mask)) for mask in (log.reward > 0, log.reward <= 0))
    rewarded = rewarded[:MAX_ROWS]
    return log.take(rng.permutation(np.concatenate([rewarded, others[: MAX_ROWS - len(rewarded)]])))


def slot_shares(log: EncodedLog, rows: EncodedLog) -> NDArray[np.float64]:
    """How often the product of each of `rows` showed the row's element in the slot, in the whole `log` [row, slot]."""
    size = log.num_elements + 1
    of_product = np.bincount(log.product, minlength=log.num_products)[rows.product]
    shares = np.empty(rows.combination.shape)
    for slot in range(rows.combination.shape[1]):
        known, counts = np.unique(_keys(log, slot, size), return_counts=True)
        shares[:, slot] = counts[np.searchsorted(known, _keys(rows, slot, size))] / of_product
    return shares


def _keys(log: EncodedLog, slot: int, size: int) -> NDArray[np.int64]:
    return log.product.astype(np.int64) * size + log.combination[:, slot]


def _examples(log: EncodedLog, shares: NDArray[np.float64], lines: _Lines) -> Iterator[str]:
    """The rows as text, an empty line after each."""
    shared = [lines.shared(context) for context in log.contexts]
    actions: dict[tuple[int, int], str] = {}
    cost = -log.reward / log.trials
    contexts = log.group_context[log.group]
    for row, combination in enumerate(log.combination.tolist()):
        yield f"slates shared {cost[row]:g} {shared[contexts[row]]}\n"
        for slot, element in enumerate(combination):
            if (slot, element) not in actions:
                actions[slot, element] = f"slates action {slot} {lines.action(slot, element)}\n"
            yield actions[slot, element]
        yield "".join(f"slates slot 0:{share:.4g} |\n" for share in shares[row])
        yield "\n"
