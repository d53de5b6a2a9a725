"""The attention residual without torch: the forward pass of `models.mil_pooling.AttentionResidual` in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AttentionResidualArrays:
    """arrays: parameters by the names they have in the torch module."""

    arrays: dict[str, Floats]

    def __call__(self, latents: Floats, present: NDArray[np.bool_], context: Floats) -> Floats:
        """Residual of each slot [batch, slot] in logits; a slot that shows nothing gets 0."""
        return self._value(latents, present, context) - self._value(np.zeros_like(latents), present, context)

    def _linear(self, name: str, values: NDArray[np.floating]) -> NDArray[np.floating]:
        result = values @ self.arrays[f"{name}.weight"].T
        bias = self.arrays.get(f"{name}.bias")
        return result if bias is None else result + bias

    def _value(self, latents: Floats, present: NDArray[np.bool_], context: Floats) -> Floats:
        rank = self.arrays["embed.weight"].shape[1]
        elements = self._linear("embed", latents[..., :rank]) + self.arrays["slot_embed"]
        tokens = np.concatenate([self._linear("context", context)[:, None], elements], axis=1)
        query, key, value = np.split(self._linear("query_key_value", tokens), 3, axis=-1)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        seen = np.concatenate([np.ones_like(present[:, :1]), present], axis=1)
        scores = np.where(seen[:, None, :], scores, -np.inf)
        mixed = _softmax(scores) @ value
        hidden = np.maximum(tokens + self._linear("mix", mixed), 0.0)[:, 1:]
        gate = 1.0 / (1.0 + np.exp(-self._linear("gate", hidden)))
        score = self._linear("attend", np.tanh(self._linear("value", hidden)) * gate)[..., 0]
        alpha = _softmax(np.where(present, score, -1e9))
        return np.asarray(alpha * self._linear("out", hidden)[..., 0] * present, dtype=np.float32)


def _softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
