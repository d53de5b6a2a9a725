"""Training stage 1 by reinforcement learning against stage 2, with no log in the loop.

Each step draws products and contexts, samples a group of combinations per request from the policy, credits every
slot with what the reward model attributes to it, and follows the policy gradient of `objectives.policy_gradient`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genco.errors import ConfigError
from genco.models.generator import CombinationGenerator, Encoding, gather_chosen, gather_rows
from genco.objectives.policy_gradient import credited_loss, total_reward_loss
from genco.rng import stream
from genco.runtime.product_encoding import SHORTLIST

Progress = Callable[[str, dict[str, float]], None]
MaskOf = Callable[[int, Tensor, list[Tensor]], Tensor | None]
NEGATIVE = -1e9


@dataclass(frozen=True)
class GeneratorTrainingConfig:
    """Stage 1 training. requests x group combinations are drawn a step; entropy weight is the generator's temperature.

    steps: updates · contexts_per_product: each product of a step is seen in · group: combinations of one request, each
    the baseline of the others (RLOO; Kool et al. 2019b) · learning_rate: of Adam at the start, falling along a cosine ·
    kl_weight: pull towards the generator that training starts from · uncertainty_penalty: posterior deviations taken
    off the uplift · credit: every slot is charged its own part; False: the whole reward · warm_start_steps: of maximum
    likelihood on rewarded logged combinations before · max_candidates_per_step: bound on memory; wide catalogues get
    fewer requests. Raises `ConfigError` naming parameter and value.
    """

    steps: int = 200
    requests: int = 256
    contexts_per_product: int = 4
    group: int = 16
    learning_rate: float = 3e-3
    kl_weight: float = 0.01
    uncertainty_penalty: float = 0.1
    credit: bool = True
    warm_start_steps: int = 20
    max_candidates_per_step: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("requests", "contexts_per_product", "group", "max_candidates_per_step"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Parameter `{name}` should be positive. Found `{name} = {getattr(self, name)}`.")
        for name in ("steps", "learning_rate", "kl_weight", "uncertainty_penalty", "warm_start_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"Parameter `{name}` should not be negative. Found `{name} = {getattr(self, name)}`.")


@dataclass(frozen=True)
class ProposalTables:
    """The reward model over the candidates of every product, as tensors; divide by `scale` for the network's units.

    features: [product, slot, candidate, feature] what the encoder reads · mask: [product, slot, candidate] ·
    rows: [product, slot, candidate] element rows, -1 = the empty element (or no candidate) ·
    own: [product, slot, candidate] own effects that hold in every context · latents: [product, slot, candidate, rank] ·
    context_query: per slot [num_context, rank] · bilinear: (c, c') -> [pair_rank, pair_rank] ·
    landmarks: [product, slot, landmark] candidates that stand for their slot in the lookahead.
    """

    features: Tensor
    mask: Tensor
    rows: Tensor
    own: Tensor
    latents: Tensor
    context_query: tuple[Tensor, ...]
    bilinear: dict[tuple[int, int], Tensor]
    landmarks: Tensor
    scale: float

    @property
    def num_slots(self) -> int:
        return int(self.features.shape[1])

    def own_in(self, product: Tensor, context: Tensor, slot: int) -> Tensor:
        """Own effects [request, candidate] of one slot in `context` [request, num_context]."""
        query = context @ self.context_query[slot]
        return self.own[product, slot] + torch.einsum("bnr,br->bn", self.latents[product, slot], query)


class RequestScores:
    """Scores of one batch of requests while their combinations are being filled, in units of the uplift's spread.

    `pull[c]` [request, group, pair_rank] is what the elements chosen so far ask of slot c.
    """

    def __init__(self, tables: ProposalTables, product: Tensor, context: Tensor, group: int) -> None:
        self.tables, self.product, self.group = tables, product, group
        slots = range(tables.num_slots)
        self.own = [tables.own_in(product, context, slot) / tables.scale for slot in slots]
        self.latents = [tables.latents[product, slot] for slot in slots]
        self.landmarks = [tables.landmarks[product, slot] for slot in slots]
        self.legal = [tables.mask[product, slot][:, None, :].expand(-1, group, -1) for slot in slots]
        self.pull: list[Tensor | None] = [None for _ in slots]

    def credit(self, slot: int) -> Tensor:
        """Own effect plus pairs with the elements already chosen [request, group, candidate]."""
        own = self.own[slot][:, None, :].expand(-1, self.group, -1)
        pull = self.pull[slot]
        if pull is None:
            return own
        return own + torch.einsum("bgr,bnr->bgn", pull, self.latents[slot][..., : pull.shape[-1]])

    @torch.no_grad()
    def foresight(self, slot: int, credit: Tensor) -> Tensor:
        """Value of completing candidates of `slot` greedily over landmarks [request, group, candidate].

        After the first slot only the `SHORTLIST` candidates of largest credit are completed, the others get the
        smallest value, as `runtime.decoding` does.
        """
        num = credit.shape[2]
        if slot + 1 == self.tables.num_slots:
            return torch.zeros_like(credit)
        if slot == 0 or num <= SHORTLIST:
            return self._complete(slot, None).expand(-1, self.group, -1)
        short = credit.masked_fill(~self.legal[slot], NEGATIVE).topk(SHORTLIST, dim=2).indices
        values = self._complete(slot, short)
        return values.amin(2, keepdim=True).expand(-1, -1, num).scatter(2, short, values)

    def _complete(self, slot: int, short: Tensor | None) -> Tensor:
        num_candidates = self.latents[slot].shape[1] if short is None else short.shape[2]
        total = torch.zeros(len(self.product), 1, num_candidates)
        done: list[tuple[int, Tensor]] = []
        for later in range(slot + 1, self.tables.num_slots):
            index = self.landmarks[later]
            own = self.own[later].gather(1, index)
            latents = gather_chosen(self.latents[later], index)
            base = own[:, None, :]
            pull = self.pull[later]
            if pull is not None:
                base = base + torch.einsum("bgr,blr->bgl", pull, latents[..., : pull.shape[-1]])
            pairs = self._pairs(slot, self.latents[slot], later, latents)
            ahead = pairs[:, None] if short is None else gather_rows(pairs, short)
            value = base[:, :, None, :] + ahead
            for other, choice in done:
                chosen = gather_chosen(self.latents[other], self.landmarks[other])
                pairs = self._pairs(other, chosen, later, latents)
                value = value + gather_rows(pairs, choice)
            best, choice = value.max(-1)
            total = total + best
            done.append((later, choice))
        return total

    def _pairs(self, slot: int, left: Tensor, later: int, right: Tensor) -> Tensor:
        """Pair terms [request, left, right] between latents of two slots."""
        weights = self.tables.bilinear[slot, later]
        scores = left[..., : weights.shape[0]] @ weights @ right[..., : weights.shape[1]].transpose(1, 2)
        return scores / self.tables.scale

    def choose(self, slot: int, choice: Tensor) -> None:
        """Fill `slot` with `choice` [request, group]."""
        latents = gather_chosen(self.latents[slot], choice) / self.tables.scale
        for later in range(slot + 1, self.tables.num_slots):
            weights = self.tables.bilinear.get((slot, later))
            if weights is not None:
                asked = latents[..., : weights.shape[0]] @ weights
                before = self.pull[later]
                self.pull[later] = asked if before is None else before + asked


@dataclass(frozen=True)
class Rollout:
    """Draws of a batch of requests, all per slot [request, group], values in units of the uplift's spread.

    slot_values: expected credit and lookahead, entropy and divergence · lookaheads: of the drawn elements.
    """

    choices: list[Tensor]
    log_probs: list[Tensor]
    slot_values: list[Tensor]
    lookaheads: list[Tensor]
    credit: Tensor
    entropy: Tensor
    regulariser: Tensor


def roll_out(
    generator: CombinationGenerator,
    tables: ProposalTables,
    product: Tensor,
    context: Tensor,
    group: int,
    rng: torch.Generator,
    mask_of: MaskOf | None = None,
    reference: CombinationGenerator | None = None,
    kl_weight: float = 0.0,
    given: list[Tensor] | None = None,
) -> Rollout:
    """Draw `group` combinations per request (or follow `given`) and value every slot over all its alternatives."""
    config = generator.config
    unique, inverse = torch.unique(product, return_inverse=True)
    encoding = generator.encode(tables.features[unique], tables.mask[unique])
    other = None if reference is None else reference.encode(tables.features[unique], tables.mask[unique])
    state = generator.initial_state(encoding.summary[inverse], context)[:, None].expand(-1, group, -1)
    other_state = (
        None
        if reference is None or other is None
        else reference.initial_state(other.summary[inverse], context)[:, None].expand(-1, group, -1)
    )
    choices: list[Tensor] = []
    log_probs: list[Tensor] = []
    values: list[Tensor] = []
    lookaheads: list[Tensor] = []
    credits, entropies, regulariser = (torch.zeros(()) for _ in range(3))
    scores = RequestScores(tables, product, context, group)
    for slot in range(tables.num_slots):
        credit = scores.credit(slot)
        legal = scores.legal[slot]
        if mask_of is not None:
            extra = mask_of(slot, product, choices)
            legal = legal if extra is None else legal & extra
        lookahead = scores.foresight(slot, credit)
        if config.autoregressive:
            shown, ahead = credit, lookahead
        else:
            shown, ahead = scores.own[slot][:, None, :].expand(-1, group, -1), torch.zeros(())

        def log_policy(
            net: CombinationGenerator,
            code: Encoding,
            at: Tensor,
            slot: int = slot,
            shown: Tensor = shown,
            ahead: Tensor = ahead,
            legal: Tensor = legal,
        ) -> Tensor:
            logits = net.pointer(slot, at, code.keys[inverse, slot], code.bias[inverse, slot])
            if net.config.credit:
                logits = logits + shown + net.foresight[slot] * ahead
            return torch.log_softmax((logits / net.config.temperature).masked_fill(~legal, NEGATIVE), -1)

        log_policy_here = log_policy(generator, encoding, state)
        policy = log_policy_here.exp()
        choice = (
            torch.multinomial(policy.detach().flatten(0, 1), 1, generator=rng).view(-1, group)
            if given is None
            else given[slot]
        )
        entropy = -(policy * log_policy_here.masked_fill(~legal, 0.0)).sum(-1)
        regular = config.temperature * entropy
        if reference is not None and other is not None and other_state is not None and kl_weight > 0:
            with torch.no_grad():
                log_reference = log_policy(reference, other, other_state)
            regular = regular - kl_weight * (policy * (log_policy_here - log_reference).masked_fill(~legal, 0.0)).sum(
                -1
            )
        expected = (policy * (credit + lookahead).masked_fill(~legal, 0.0)).sum(-1)
        values.append(expected + regular)
        lookaheads.append(lookahead.gather(2, choice[..., None]).squeeze(-1))
        log_probs.append(log_policy_here.gather(2, choice[..., None]).squeeze(-1))
        choices.append(choice)
        scores.choose(slot, choice)
        credits = credits + credit.gather(2, choice[..., None]).squeeze(-1).detach()
        entropies = entropies + entropy.detach().mean()
        regulariser = regulariser + regular
        if config.autoregressive and slot + 1 < tables.num_slots:
            state = state + gather_chosen(encoding.chosen[inverse, slot], choice)
            if other_state is not None and other is not None:
                other_state = other_state + gather_chosen(other.chosen[inverse, slot], choice)
    return Rollout(choices, log_probs, values, lookaheads, credits, entropies, regulariser)


class GeneratorTraining:
    """The loop. `step` is one update; state (weights, optimiser, random stream, step number) is saved and restored
    whole."""

    def __init__(
        self,
        generator: CombinationGenerator,
        tables: ProposalTables,
        contexts: NDArray[np.float32],
        context_share: NDArray[np.float64],
        products: NDArray[np.int64],
        config: GeneratorTrainingConfig,
        seed: int,
        mask_of: MaskOf | None = None,
        end_reward: Callable[[Tensor, Tensor, list[Tensor]], Tensor] | None = None,
    ) -> None:
        self.generator, self.tables, self.config, self.mask_of = generator, tables, config, mask_of
        self.contexts, self.context_share, self.products = torch.from_numpy(contexts), context_share, products
        self.end_reward = end_reward
        self.seed = seed
        self.step_number = 0
        self.optimiser = torch.optim.Adam(generator.parameters(), lr=config.learning_rate, betas=(0.9, 0.98))
        self.reference: CombinationGenerator | None = None
        if config.kl_weight > 0:
            self.reference = copy.deepcopy(generator).requires_grad_(False)

    def requests_of(self, step: int) -> tuple[Tensor, Tensor, torch.Generator]:
        """Products [request], contexts [request, num_context] and the sampling stream of one step: a function of
        the seed."""
        rng = stream(self.seed, "generator", step)
        widest = int(self.tables.mask.shape[2])
        limit = max(self.config.max_candidates_per_step // (self.config.group * widest), 8)
        requests = min(self.config.requests, limit)
        encoded = max(60_000 // (self.tables.num_slots * widest), 4)
        num_products = max(min(requests // self.config.contexts_per_product, encoded), 1)
        chosen = rng.choice(self.products, num_products, replace=len(self.products) < num_products)
        product = np.resize(chosen, requests)
        context = rng.choice(len(self.context_share), requests, p=self.context_share)
        sampler = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return torch.from_numpy(product), self.contexts[torch.from_numpy(context)], sampler

    def step(self) -> dict[str, float]:
        """One policy-gradient update; returns its measurements."""
        config = self.config
        decay = 0.5 * (1 + np.cos(np.pi * self.step_number / max(config.steps, 1)))
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * max(decay, 0.02)
        product, context, rng = self.requests_of(self.step_number)
        rollout = roll_out(
            self.generator,
            self.tables,
            product,
            context,
            config.group,
            rng,
            self.mask_of,
            self.reference,
            config.kl_weight,
        )
        end = None if self.end_reward is None else self.end_reward(product, context, rollout.choices)
        if config.credit:
            loss = credited_loss(rollout.slot_values, rollout.lookaheads, rollout.log_probs, end)
        else:
            reward = rollout.credit if end is None else rollout.credit + end
            loss = total_reward_loss(reward, rollout.log_probs, rollout.regulariser)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        self.optimiser.step()
        self.step_number += 1
        return {"step": self.step_number, "reward": float(rollout.credit.mean()), "entropy": float(rollout.entropy)}

    def snapshot(self, curve: list[dict[str, float]]) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        """Everything the next step depends on, as arrays and a description."""
        arrays = {f"weight.{name}": p.detach().numpy().copy() for name, p in self.generator.named_parameters()}
        for name, parameter in self.generator.named_parameters():
            state = self.optimiser.state.get(parameter, {})
            for key in ("exp_avg", "exp_avg_sq"):
                if key in state:
                    arrays[f"{key}.{name}"] = state[key].numpy().copy()
        return arrays, {"step": self.step_number, "curve": list(curve)}

    def restore(
        self, arrays: Mapping[str, NDArray[np.float32]], description: Mapping[str, Any]
    ) -> list[dict[str, float]]:
        """The inverse of `snapshot`; returns the curve so far."""
        self.step_number = int(description["step"])
        for name, parameter in self.generator.named_parameters():
            parameter.data.copy_(torch.from_numpy(arrays[f"weight.{name}"].copy()))
            if f"exp_avg.{name}" in arrays:
                self.optimiser.state[parameter] = {
                    "step": torch.tensor(float(self.step_number)),
                    "exp_avg": torch.from_numpy(arrays[f"exp_avg.{name}"].copy()),
                    "exp_avg_sq": torch.from_numpy(arrays[f"exp_avg_sq.{name}"].copy()),
                }
        return list(description["curve"])

    def run(self, progress: Progress | None = None) -> Iterator[dict[str, float]]:
        """Steps until the configured number, yielding measurements after each."""
        started = time.perf_counter()
        while self.step_number < self.config.steps:
            values = self.step()
            values["seconds"] = time.perf_counter() - started
            if progress is not None:
                progress("generator", values)
            yield values
