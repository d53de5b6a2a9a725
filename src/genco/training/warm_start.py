"""Warm start of stage 1: maximum likelihood on logged combinations weighted by their rewards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genco.data.encoded_log import EncodedLog
from genco.models.generator import CombinationGenerator
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace
from genco.training.generator_loop import GeneratorTrainingConfig, MaskOf, ProposalTables, roll_out


@dataclass(frozen=True)
class LoggedChoices:
    """Rewarded rows of a log that are legal today. product: [row] rows of the proposal tables · context: [row] ·
    positions: [row, slot] · weight: [row] rewards."""

    product: NDArray[np.int64]
    context: NDArray[np.int64]
    positions: NDArray[np.int64]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.product)


def logged_choices(
    log: EncodedLog, spaces: dict[int, LegalSpace], products: NDArray[np.int64], seed: int, max_rows: int = 20_000
) -> LoggedChoices:
    """A sample of rewarded rows as positions; rows that show what is no longer a candidate, or break a rule, are
    left out."""
    rewarded = np.flatnonzero(log.reward > 0)
    if len(rewarded) > max_rows:
        rewarded = np.sort(stream(seed, "warm start rows").choice(rewarded, max_rows, replace=False))
    rewarded = rewarded[np.argsort(log.product[rewarded], kind="stable")]
    owner, combination = log.product[rewarded], log.combination[rewarded]
    combination = np.where(combination == log.num_elements, -1, combination)
    table_row = {int(product): row for row, product in enumerate(products)}
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], int]] = []
    for rows in np.split(np.arange(len(rewarded)), np.flatnonzero(np.diff(owner)) + 1):
        space = spaces.get(int(owner[rows[0]])) if len(rows) else None
        if space is None:
            continue
        found = np.stack(
            [_positions(space, slot, combination[rows, slot]) for slot in range(combination.shape[1])], axis=1
        )
        known = np.flatnonzero((found >= 0).all(axis=1))
        known = known[space.is_legal(found[known].astype(np.int32))] if len(known) else known
        parts.append((rewarded[rows[known]], found[known], table_row[int(owner[rows[0]])]))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return LoggedChoices(
            none, none, np.zeros((0, log.combination.shape[1]), dtype=np.int64), np.zeros(0, np.float32)
        )
    chosen = np.concatenate([rows for rows, _, _ in parts])
    return LoggedChoices(
        np.concatenate([np.full(len(rows), row) for rows, _, row in parts]),
        log.group_context[log.group[chosen]].astype(np.int64),
        np.concatenate([found for _, found, _ in parts]),
        log.reward[chosen],
    )


def _positions(space: LegalSpace, slot: int, elements: NDArray[np.int32]) -> NDArray[np.int64]:
    """Position of each element among the slot's candidates [row], -1 where it is none."""
    candidates = space.candidates[slot]
    order = np.argsort(candidates)
    at = np.minimum(np.searchsorted(candidates[order], elements), len(candidates) - 1)
    return np.where(candidates[order][at] == elements, order[at], -1)


def warm_start(
    generator: CombinationGenerator,
    tables: ProposalTables,
    choices: LoggedChoices,
    contexts: NDArray[np.float32],
    config: GeneratorTrainingConfig,
    seed: int,
    mask_of: MaskOf | None = None,
) -> float:
    """Run `config.warm_start_steps` steps; returns the last mean log-likelihood (0 where there was nothing to
    learn from)."""
    optimiser = torch.optim.Adam(generator.parameters(), lr=config.learning_rate)
    last = 0.0
    for step in range(config.warm_start_steps if len(choices) else 0):
        rng = stream(seed, "warm start", step)
        rows = rng.choice(len(choices), min(config.requests, len(choices)), replace=False)
        given = [torch.from_numpy(choices.positions[rows, slot])[:, None] for slot in range(tables.num_slots)]
        rollout = roll_out(
            generator,
            tables,
            torch.from_numpy(choices.product[rows]),
            torch.from_numpy(contexts[choices.context[rows]]),
            1,
            torch.Generator(),
            mask_of,
            given=given,
        )
        weight = torch.from_numpy(choices.weight[rows])
        likelihood = (torch.stack(rollout.log_probs).sum(0)[:, 0] * weight).sum() / weight.sum()
        optimiser.zero_grad()
        torch.autograd.backward(-likelihood)
        optimiser.step()
        last = float(likelihood.detach())
    return last
