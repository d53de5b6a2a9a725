"""Stage 1: the pointer network that proposes combinations slot by slot.

    log pi(y | x) = sum_c log softmax_c[ (credit_c(e | y_<c) + lookahead_c(e | y_<c, x)) / temperature ]

`credit` is what the reward model already attributes to choosing e now: its own effect plus its pairs with the slots
chosen before (the same charge the policy gradient uses). `lookahead` is what the choice is worth to the slots still
open; at the optimum of max-entropy RL it is their soft value. It has two parts, both trained:

    lookahead = foresight_c * (value of completing y_<c, e greedily over landmarks of later slots) + pointer(e, state)

The first is hard attention to a few landmark candidates of every later slot, with the reward model's own pair weights;
the second a pointer network that learns what the first leaves out. `credit=False` leaves the pointer alone (the
ablation).

The encoder sees the product's candidates and no context, so its output is cached with the catalogue; its cost is
linear in the number of candidates: shared layers per element and pooled summaries per slot, no attention between
candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genco.errors import ConfigError
from genco.models.layer import linear_layer


@dataclass(frozen=True)
class GeneratorConfig:
    """width: hidden units · key_width: size of pointer keys · max_latents: content dimensions the encoder reads ·
    temperature: weight of entropy, in units of the uplift's spread over random combinations · autoregressive: a slot
    sees what the slots before it chose; False: all are chosen independently · credit: the network reads the reward
    model's terms. Raises `ConfigError` naming parameter and value."""

    width: int = 64
    key_width: int = 32
    max_latents: int = 16
    temperature: float = 0.1
    autoregressive: bool = True
    credit: bool = True

    def __post_init__(self) -> None:
        for name in ("width", "key_width", "max_latents"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Parameter `{name}` should be positive. Found `{name} = {getattr(self, name)}`.")
        if not self.temperature > 0:
            raise ConfigError(f"Parameter `temperature` should be positive. Found `temperature = {self.temperature}`.")


@dataclass(frozen=True)
class Encoding:
    """What a product's candidates look like to the decoder, context-free.

    keys: [product, slot, candidate, key] · bias: [product, slot, candidate] · chosen: [product, slot, candidate,
    width], what a choice adds to the state · summary: [product, width].
    """

    keys: Float[Tensor, "product slot candidate key"]
    bias: Float[Tensor, "product slot candidate"]
    chosen: Float[Tensor, "product slot candidate width"]
    summary: Float[Tensor, "product width"]


class CombinationGenerator(nn.Module):
    """Encoder and decoder. `num_features`: columns per candidate, `num_context`: columns of the context."""

    def __init__(self, num_slots: int, num_features: int, num_context: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.config, self.num_slots = config, num_slots
        width, key = config.width, config.key_width
        self.embed = linear_layer(num_features, width)
        self.slot_embed = nn.Parameter(torch.randn(num_slots, width) * 0.1)
        self.pool = nn.Linear(num_slots * 2 * width, width)
        self.mix = nn.Linear(width, width)
        self.mix_summary = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, key)
        self.bias = nn.Linear(width, 1)
        self.choose = nn.Linear(width, width, bias=False)
        self.context = linear_layer(num_context, width)
        self.state_slot = nn.Parameter(torch.randn(num_slots, width) * 0.1)
        self.foresight = nn.Parameter(torch.ones(num_slots))
        self.query = nn.Linear(width, width)
        self.query_out = nn.Linear(width, key)
        nn.init.zeros_(self.query_out.weight)
        nn.init.zeros_(self.query_out.bias)
        nn.init.zeros_(self.bias.weight)
        nn.init.zeros_(self.bias.bias)

    def encode(
        self,
        features: Float[Tensor, "product slot candidate feature"],
        mask: Bool[Tensor, "product slot candidate"],
    ) -> Encoding:
        """Encode products. `mask` True = a candidate is there; every slot must have one."""
        hidden = torch.relu(self.embed(features) + self.slot_embed[None, :, None, :])
        valid = mask[..., None]
        mean = (hidden * valid).sum(2) / valid.sum(2).clamp_min(1)
        largest = hidden.masked_fill(~valid, 0.0).amax(2)
        summary = torch.relu(self.pool(torch.cat([mean, largest], -1).flatten(1)))
        mixed = torch.relu(self.mix(hidden) + self.mix_summary(summary)[:, None, None, :])
        return Encoding(self.key(mixed), self.bias(mixed).squeeze(-1), self.choose(hidden), summary)

    def initial_state(
        self, summary: Float[Tensor, "request width"], context: Float[Tensor, "request context"]
    ) -> Float[Tensor, "request width"]:
        shift: Tensor = self.context(context)
        return summary + shift

    def pointer(
        self,
        slot: int,
        state: Float[Tensor, "request group width"],
        keys: Float[Tensor, "request candidate key"],
        bias: Float[Tensor, "request candidate"],
    ) -> Float[Tensor, "request group candidate"]:
        """Learned part of the lookahead of each candidate of `slot`, in units of the uplift's spread."""
        query = self.query_out(torch.relu(self.query(state) + self.state_slot[slot]))
        return torch.einsum("bgk,bnk->bgn", query, keys) + bias[:, None, :]


def gather_chosen(
    table: Float[Tensor, "request candidate width"], choice: Int[Tensor, "request group"]
) -> Float[Tensor, "request group width"]:
    """Rows of `table` at the chosen candidates."""
    return torch.gather(table, 1, choice[..., None].expand(*choice.shape, table.shape[-1]))


def gather_rows(
    table: Float[Tensor, "request candidate width"], choice: Int[Tensor, "request group many"]
) -> Float[Tensor, "request group many width"]:
    """Rows of `table` at several candidates of each draw."""
    return gather_chosen(table, choice.flatten(1)).view(*choice.shape, table.shape[-1])
