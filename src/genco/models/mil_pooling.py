"""The attention residual: what own and pair terms cannot express, credited to slots by gated attention.

A layer of self-attention over {context token, elements}, then gated-attention pooling (Ilse, Tomczak & Welling 2018):
the bag is the combination, the instances its elements, and alpha_c * rho_c is the part of slot c. The output layer
starts at zero and the value at the average creative is subtracted, so an untrained residual changes nothing.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from genco.models.layer import linear_layer


class AttentionResidual(nn.Module):
    """Residual of each slot, in logits. `rank`: latent dimensions read."""

    def __init__(self, num_slots: int, rank: int, num_context: int, width: int = 32) -> None:
        super().__init__()
        self.embed = linear_layer(rank, width)
        self.slot_embed = nn.Parameter(torch.randn(num_slots, width) * 0.1)
        self.context = linear_layer(num_context, width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.attend = nn.Linear(width, 1)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(
        self,
        latents: Float[Tensor, "batch slot rank"],
        present: Bool[Tensor, "batch slot"],
        context: Float[Tensor, "batch context"],
    ) -> Float[Tensor, "batch slot"]:
        """Residual of each slot; a slot that shows nothing gets 0."""
        centre = self._residual(torch.zeros_like(latents), present, context)
        return self._residual(latents, present, context) - centre

    def _residual(self, latents: Tensor, present: Tensor, context: Tensor) -> Tensor:
        tokens = torch.cat([self.context(context)[:, None], self.embed(latents) + self.slot_embed], 1)
        query, key, value = self.query_key_value(tokens).chunk(3, -1)
        seen = torch.cat([torch.ones_like(present[:, :1]), present], 1)
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=seen[:, None, :].expand(-1, seen.shape[1], -1)
        )
        hidden = torch.relu(tokens + self.mix(mixed))[:, 1:]
        score = self.attend(torch.tanh(self.value(hidden)) * torch.sigmoid(self.gate(hidden))).squeeze(-1)
        alpha = torch.softmax(score.masked_fill(~present, -1e9), -1)
        rho: Tensor = self.out(hidden).squeeze(-1)
        return alpha * rho * present
